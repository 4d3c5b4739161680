PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE master_key (proof BLOB NOT NULL) STRICT;
INSERT INTO master_key VALUES(X'63ac3e6d297ed03dd2ab3d907dba58ba70772f140330e0b1826f0eafc0ae7ba894de5d2f7285748cda207e2bca723c72');
CREATE TABLE parks (
    id INTEGER PRIMARY KEY,
    park_uuid TEXT NOT NULL UNIQUE,
    merchant TEXT UNIQUE,
    name TEXT NOT NULL,
    secret BLOB NOT NULL,                 -- sealed
    enabled INTEGER NOT NULL DEFAULT 1,
    strict INTEGER NOT NULL DEFAULT 0,
    http_200_always INTEGER NOT NULL DEFAULT 0,
    total_parking_space INTEGER,
    allow TEXT NOT NULL DEFAULT '[]',     -- JSON array of CIDR
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
, old_secret BLOB, old_secret_until INTEGER, old_secret_used_at INTEGER, require_sign INTEGER NOT NULL DEFAULT 1, location TEXT) STRICT;
INSERT INTO parks VALUES(1,'49f0cc52-e8c7-41e3-b54d-af666b8cc11a',NULL,'演示停车场',X'f12910e021ee493283411d901fcde9de2a66093a7acd5766d600714d096ba7bf496f21d93e061dfc7bcfae',1,0,0,100,'[]',1795609970363,NULL,NULL,NULL,1,NULL);
INSERT INTO parks VALUES(2,'P1','M1','西门停车场',X'a389e0e79c1efd75f1a9cee729b3c45ab694c1b32dab671c291c1c367cf4f4e8d6e59d3eeb2aa31d459e',1,0,0,50,'[]',1795609970418,NULL,NULL,NULL,1,NULL);
INSERT INTO parks VALUES(3,'P2',NULL,'南门',X'1414274171ea10c031098894d9af07be0f1217834d2e015fb65fcf610249e51357eac703880f5c19e587c7',0,0,0,NULL,'[]',1795609970438,X'396e42231e807234e515df67e7f1ed0e189725a9be621721d147e889644ba0d0f62ba7b0e6d1e04f33f1',1795609975196,NULL,1,NULL);
CREATE TABLE apps (
    app_id TEXT PRIMARY KEY,
    secret BLOB NOT NULL,                 -- sealed
    api_type TEXT,
    enabled INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
INSERT INTO apps VALUES('op1',X'125f99ae815ddc4a7ef2379c3ce93eb33a41b8809837c4514816ca869c9ebc198d63d0c692935a037c5a',NULL,1);
CREATE TABLE app_parks (
    app_id TEXT NOT NULL REFERENCES apps (app_id),
    park_id INTEGER NOT NULL REFERENCES parks (id),
    PRIMARY KEY (app_id, park_id)
) STRICT, WITHOUT ROWID;
INSERT INTO app_parks VALUES('op1',3);
CREATE TABLE registry_version (version INTEGER NOT NULL) STRICT;
INSERT INTO registry_version VALUES(13);
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    park_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,                -- 0 enter, 1 leave
    parking_serial TEXT NOT NULL,
    enter_time INTEGER NOT NULL,
    event_time INTEGER NOT NULL,          -- enter_time of an enter, leave_time of a leave
    counted INTEGER,                      -- -1 or +1 for a push without free spaces of its own
    plate TEXT,
    digest BLOB NOT NULL,
    seqno INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    conflict_with INTEGER,                -- the record that has the serial, if this one was ignored for it
    refused_orders TEXT,                  -- JSON array
    params TEXT NOT NULL,                 -- JSON object of all that was sent, but for personal data
    personal BLOB                         -- sealed
, original BLOB) STRICT;
INSERT INTO records VALUES(1,1,0,'S1',1624874732253,1624874732253,NULL,'粤B12345',X'6c139da450b9962782f0255ef90f9812',101911402395121940,1795609971696,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S1","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","car_type":"1","car_desc":"临时车","total_parking_space":"100","remain_parking_space":"42","sign":"E429B1027E32CA5A4B4DD299294E3626"}',NULL,NULL);
INSERT INTO records VALUES(2,1,1,'S1',1624874732253,1624937505093,NULL,'粤B12345',X'4628ed40025f13d6cfdb92b42d22f47f',101911402395121941,1795609971746,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S1","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OS1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"8DCDBA7F3666015832658DEEE18C5680"}',NULL,NULL);
INSERT INTO records VALUES(3,1,1,'S2',1624874732253,1624937505093,NULL,NULL,X'413c3326e8e5e96b0673cbbca403a527',101911402395121942,1795609971754,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S2","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OS2\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"DF01833DD1A5457C42C5F0A78F31C33A"}',X'c99ea460c0e19b95e1503efb0ffd3bc0abe7a9a26bf079127e6ddfaf75a66f5b9651f2a99e80570ba6d2692a72dbdb8fb1764d779d580176e761e28f03971ab9b1afdbcdaa006c8e00210543d8a59a020ce8a4db1ffbc127a810118020de1720b4',NULL);
INSERT INTO records VALUES(4,1,0,'S2',1624874732253,1624874732253,NULL,'粤B12345',X'4b0e871bbf60c73dada9502fd9294c27',101911402395121943,1795609971818,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S2","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","car_type":"1","car_desc":"临时车","total_parking_space":"100","remain_parking_space":"42","sign":"2C5E0CAC29A0DCB6D6DE1A0C8FEB2725"}',NULL,NULL);
INSERT INTO records VALUES(5,1,1,'S3',1624874732253,1624937505093,NULL,'粤B12345',X'2fd9ecca51b51c67d7bc6f816806d9cc',101911402395121944,1795609971828,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S3","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","fm":"193","remark":"谢谢","sign":"BB5FE4289AC325B264BB9B1563A8091B"}',NULL,NULL);
INSERT INTO records VALUES(6,1,0,'S3',1624878332253,1624878332253,NULL,'粤B12345',X'f61608a6144965adee54db24213ec8c8',101911402395121945,1795609971858,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S3","plate":"粤B12345","plate_color":"1","enter_time":"1624878332253","car_type":"1","car_desc":"临时车","total_parking_space":"100","remain_parking_space":"42","sign":"D2690205F3DEF1E26C8385558331393C"}',NULL,NULL);
INSERT INTO records VALUES(7,1,0,'S4',1624874732253,1624874732253,NULL,'粤B12345',X'9681f6a40957a4399cec5ba08c1e1df2',101911402395121946,1795609971874,0,NULL,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S4","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","car_type":"1","car_desc":"临时车","total_parking_space":"100","remain_parking_space":"0","sign":"F162DFF77777AA644364618B7ABBD6B9"}',NULL,NULL);
INSERT INTO records VALUES(8,1,1,'S1',1624874732253,1624937505093,NULL,'粤B99999',X'5a8272c0caf31fee9a3d0a98471ad8d4',101911402395121948,1795609971925,0,2,NULL,'{"park_uuid":"49f0cc52-e8c7-41e3-b54d-af666b8cc11a","parking_serial":"S1","plate":"粤B99999","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OS1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"09A011BB262673E681B3D7EBD36793C3"}',NULL,NULL);
INSERT INTO records VALUES(9,2,1,'M1',1624874732253,1624937505093,NULL,'粤B12345',X'6d74beb44d290d740eb15112ab44bff1',101911402395121951,1795609972005,0,NULL,NULL,'{"parking_serial":"M1","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OM1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","merchant":"M1","sign":"5378D0E63FD6B61099AAD59C8F3B204B"}',NULL,NULL);
INSERT INTO records VALUES(10,3,1,'Q1',1624874732253,1624937505093,NULL,'粤B12345',X'a8295e496318a087d349dcf2acbf64f9',101911402395121952,1795609972026,0,NULL,NULL,'{"park_uuid":"P2","parking_serial":"Q1","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OQ1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","app_id":"op1","api_type":"1","sign":"F07FBE3FBC1AACF7FF0145B6D1BB4AB5"}',NULL,NULL);
INSERT INTO records VALUES(11,2,1,'U1',1624874732253,1624937505093,NULL,'粤B12345',X'aa3b19579b2b8c58e3711915ab2eb0fc',101911402395121953,1795609972030,1,NULL,NULL,'{"park_uuid":"P1","parking_serial":"U1","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OU1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","encoding":"URL","sign":"806DDF71DB0407F813D896F7A9863487"}',NULL,X'49dabd831ac0666b569a483ce31c664c71577c48e1925ca556675e2c6534e5b0902a6c6f2c867dbc063973c2791f838eaa66930442314cae38eee099bcd7671d6cd2f20d975d004421fc979cfcb5cb06cdffd76b63f199f4279679713e16f458d7d0f364e33d623e73e6495bf5c3ae7f7cf6aa42dc4158e275a7a73b7a238e657c932e74a402888a4c3fab68d7b6da01f49974d26709505882b5dfa181bcde9364d0836dd2c0c8a2ca7d6181d71f9eee30a6080025709f5ec48a3a6a2506968d0e4714c6c0a6109458500a92ecbcb2311fef13ae6346d6702ca843ebc1b267b8f28109db12bf777056ccf0b7c42759c4056b89895aa5417277929b061845143d60fb177400e3ccefd57684f15986182846559c6f0ef57c0121aa6081e83b06211b85dddd2bfbd5748d01c19e9e8ac552a06b63f230c7cbb16c5ba729e08f9e7bf7d04838dd26bf406ff29c48c3e78835bb626c42ccac5cecac2196761c844d6bb77507c222ba6c6af12dcbf9e64cbe47264281ddc741fdf107fcd7ff95ff320688c305ffe5d244e3569ab4776725245e04dbe95f7ba4fc48d8fa0612641d99ada6b3afeaf2e6424a882fa5b305b6ef518ceda63dd75a2f0d2315939c0490e8f5e50f19fa3194231212aa741386df7606475f2c2b4c53b83cbf3ed16f4a6e6dc850fbd9bb4cc1b1cd008b4e19818ebfa13ba0477694a7dd01894977b3041ce7bab76158f6750d9afdf35d051830b0c6fd782c6531fb97d9578d846f8d64cd72a46c65fca408157467142731ae5761a177fb979ff08c1cc5fc4665c56967fbb400a365cf28543abf8db5c2d8749dc5917497f3c54bde53969c282edc4c392d5b808139c657161e9ee474f14cb9dbce143b22d6bdb6ca51f06450cb24bf805c1b33c86a848e0efd706e9df96c3e250056973d3ba4843342147f981991f78397a71ade930711e82b2dcd90a6c891904a460706319a2c26053ae134351287cf8681acfd29092f27cd3147e2f5a5240f01cf1b4039c34169195ff1769b5bf2f653c013835ed483336cd7cb7ed383fb9ba74fb3dd3bfc94173afce7751acb07ee9356fb7c94938254a926728ee5acd3d4a0a5cb7f46383411d90730579787006610047799ce0a2168ca7ba01844f3ba2f573ebdcf4dae');
INSERT INTO records VALUES(12,2,1,'U2',1624874732253,1624937505093,NULL,'粤B12345',X'1b01e4424f73a09e3b3b2522ee7fc159',101911402395121954,1795609972032,0,NULL,'["OU1"]','{"park_uuid":"P1","parking_serial":"U2","plate":"粤B12345","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"OU1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"C94D9205AECEA4DDE275236934FF3A29"}',NULL,NULL);
INSERT INTO records VALUES(13,2,1,'N0',1624874732253,1624937505093,NULL,'粤A00001',X'a170034f6dc14866948ac1282740a9e5',101911402395121955,1795609972033,0,NULL,NULL,'{"park_uuid":"P1","parking_serial":"N0","plate":"粤A00001","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"ON0\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"9CAD70B367061148F743C3EB5624C093"}',NULL,NULL);
INSERT INTO records VALUES(14,2,1,'N1',1624874732253,1624937505093,NULL,'粤A00001',X'3c2205b4ae9ed24edea92d08b40098c9',101911402395121956,1795609972035,0,NULL,NULL,'{"park_uuid":"P1","parking_serial":"N1","plate":"粤A00001","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"ON1\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"7B9445332388A1DAD706ED6F44676BC0"}',NULL,NULL);
INSERT INTO records VALUES(15,2,1,'N2',1624874732253,1624937505093,NULL,'粤A00001',X'990e5fe7271224715ba2f67f6b0c5155',101911402395121957,1795609972036,0,NULL,NULL,'{"park_uuid":"P1","parking_serial":"N2","plate":"粤A00001","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","payment_list":"[{\"parking_order\": \"ON2\", \"pay_type\": \"2\", \"value\": 500, \"free_value\": 100, \"pay_time\": \"1624937505093\", \"operator\": \"李四\", \"pay_origin_desc\": \"微信\"}]","sign":"1BD94D6D7D9635F4A551A5A946420F31"}',NULL,NULL);
INSERT INTO records VALUES(16,1099511627776,1,'N0',1659501105093,1659504705093,NULL,'粤A00002',X'e9abaef20fc8eb65f60c6a0301b6d2e6',101911402395121958,1795609975154,0,NULL,NULL,'{"park_uuid":"P1","parking_serial":"N0","plate":"粤A00002","plate_color":"1","enter_time":"1659501105093","leave_time":"1659504705093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","sign":"1C1DA6597F9ADECAF81D19A178F09DAB"}',NULL,NULL);
INSERT INTO records VALUES(17,1099511627776,1,'N1',1659501105093,1659504705093,NULL,'粤A00002',X'e9f7a9af8190ca6360ec1fefb9187040',101911402395121959,1795609975170,0,NULL,NULL,'{"park_uuid":"P1","parking_serial":"N1","plate":"粤A00002","plate_color":"1","enter_time":"1659501105093","leave_time":"1659504705093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","sign":"D93F8EF1B1AE74D8D5A638898D6437D7"}',NULL,NULL);
INSERT INTO records VALUES(18,1099511627776,1,'N2',1659501105093,1659504705093,NULL,'粤A00002',X'df19f5b7f5dafb6b1a32b8a94c6c6ebc',101911402395121960,1795609975174,0,NULL,NULL,'{"park_uuid":"P1","parking_serial":"N2","plate":"粤A00002","plate_color":"1","enter_time":"1659501105093","leave_time":"1659504705093","car_type":"1","car_desc":"临时车","leave_gate":"东门出口","leave_security":"张三","total_value":"600","free_value":"100","online_value":"500","total_parking_space":"100","remain_parking_space":"42","sign":"837A5CF4ED0B861FAE6D3A961C5DC6FF"}',NULL,NULL);
CREATE TABLE payments (
    parking_order TEXT NOT NULL,
    park_id INTEGER NOT NULL,
    pay_type TEXT NOT NULL,
    record_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    value INTEGER,
    free_value INTEGER,
    change_value INTEGER,
    pay_time INTEGER,
    PRIMARY KEY (parking_order, park_id, pay_type)
) STRICT, WITHOUT ROWID;
INSERT INTO payments VALUES('OM1',2,'2',9,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('ON0',2,'2',13,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('ON1',2,'2',14,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('ON2',2,'2',15,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('OQ1',3,'2',10,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('OS1',1,'2',2,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('OS2',1,'2',3,0,500,100,NULL,1624937505093);
INSERT INTO payments VALUES('OU1',2,'2',11,0,500,100,NULL,1624937505093);
CREATE TABLE spaces (
    park_id INTEGER PRIMARY KEY,
    total INTEGER,
    remain INTEGER,
    as_of INTEGER,
    later INTEGER NOT NULL,
    latest_counted INTEGER
) STRICT;
INSERT INTO spaces VALUES(1,100,42,1624937505093,0,NULL);
INSERT INTO spaces VALUES(2,100,42,1624937505093,0,NULL);
INSERT INTO spaces VALUES(3,100,42,1624937505093,0,NULL);
INSERT INTO spaces VALUES(1099511627776,100,42,1659504705093,0,NULL);
CREATE TABLE images (
    record_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    md5 BLOB NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (record_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: people name it
    park_id INTEGER NOT NULL,             -- 0: of no known park
    kind INTEGER NOT NULL,
    seqno INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    reason TEXT NOT NULL,
    digest BLOB NOT NULL,                 -- the same push again is the same entry
    times INTEGER NOT NULL DEFAULT 1,
    finding TEXT,                         -- the sign doctor's code
    sealed BLOB NOT NULL,                 -- hint, finding and everything sent, as JSON
    bytes INTEGER NOT NULL                -- of this row and its pictures
) STRICT;
INSERT INTO quarantine VALUES(1,1,1,101911402395121949,1795609971954,'127.0.0.1','Signature',X'a43bbfa9b37bcfdf64e1101e0f760fec',1,'no_known_mistake',X'e593e80b8c66c67d16f6fb8fd9ba2bd6b4dda281836403281554eac7b2f83acfa74c59bdbc19f1cb5e5622c868795049feb1b795b16b6af86365dbf243e90c0f95fa16eac81d8059ba5c225f1d8396fa3f3ccada25de21de428b8e38864bf569de09844dced6cc19da536374bc23bfce93c5b568dd7aba12e43d6c3d88ccad1ad944c34bd338a516dc6737f9e4584286987144ab025ffa89a2ae198d34fef89f6b58e2a7e907f42279d0eea53588ede09f219f6885843b33ccf081f6dd8ce19704f6eb69a4d178d628f7254383d3cd7927c69442810ef1b3613edd3a67443fea2499105e530464b30b2ae385cad9006d1eda117e70cb7ed319884bbf7f5fc01c288ecb2b0e8b9bcb79b310b7d258ee0a0d6ce6a2f3cc9f66bfc94fe6d92fd010a1b711255861418e1d0b520ab2582b7098765bae94759dc566bfc650a5419ee3e6ba9813ed01a5742aae491c31580106505ee59f324227d06422b0f7595f8109218c7adab6ef754f9e1cb86d9e09532768e0b41a86f89c6ceecbea1919f767d90fd5372e91abfed45d4bc5b946a8af7f080de35cf4ffde636fb722c8bf406ec723e54defa41af8780b439b8206a18fa1b70d19b7851446770741e6634a293da6a65976e53dfaa3200fe1232d7160617f58a4245ddf646720596993893ec0941894f64ef620b24fd0523fae2847e9a31fb1b584b143fd488a9c52a36c406f61ef86e7868a62142946d50f76a420b1b838d7cad72be23b233f6da319f382bb79c3dde647a7c22a06db48b48f29f47408e85ff6e205167a07d3d813f5fe9f25e20687ef44e0a233869cafc695bcf13f3d2815a20818ea8721a536894850a3add11982ac266285ea91b8c98175ef46747a2e4df69415bbfb7a508edc52de896679f0810d41509c90de545743c6175846c09701a91dd6b9383f26fad4d2297ee79a69a76c4d11afb502f8693a231d6bae223303e0eebd64a15b1349ab7d165921592226d02d2cbd6a631cf46eee7756644414b5882f0494d1f3bc640d28db826f0903083b5a126cb3beb19bfb6b27259a6e186666c893c298eb56a5a8e7f0c9b317ae730f6a787eb44e5851dfc7b313253476ce75a3ed5f65912c20a26b40f235b40906a0a987c78b2a2c58e4eb0274e09f8f6d0ccfff56184b510d3349b1f6f2f4e5048913056378609038f040a8b819df60cb4973274649711408833ed0b4341a93fa17f6f31726f50018aa94216cf5eb4c913beb23f0e7264d8e4ae0bbbe16207df32699efd06835b94da03aca3c760f250df65873f84afb0e50d59de660092daedc7418789dbd4dc4e9d7b438cc551eec7b2b21066fd577d663902baa17949ff4d87793394ab61955d4cd6b0edeaf8ec9575454443f920808cc12c3b408f23b6974ce6952a5b15bb1303b8cb2acf4fd27ba46ae969f20b0a4ea24c0163af965f82f59e0dafb8245d38c807925d3af7ac9ee1930e42ef34dc9b4bb1795146138b39d00767ef65c49da52e77108e30244a17aad5a9e00c038f7fcc987a20d7e900ba1aba20c2162055c6fb239de5f0bf2e6a36d1ec7b13404c560e91cfd0fd053202260347e0d6ed83e5d6190a53caaa53a0d0d9efe36270ca716117349977fa71a93574967029626e52f468a6077174603d071a8ff11cbc74f44ffc00ccb39298a0f8eabb8285168530388b75c1762ae6de5660e8152842f492e14334789185cd06f1ab1feac3f54359e5086321ac51bd061b33571c7e0c9baf633b51c5ca7ba3313cbb47817a30ef60bdeea55ac42382b43c58cec0428818d460bce386a0a2379d05dc495f768acf19c1ba512f79ba82aca4093dc23f7de960a6fd340b8d0521c55f038647eccc0e857819a859b8f00343a2d988f83a348a6d0bc345425018f4dd87bbdad04e1d0ee1411718ff980b5eee7d6a4f05048c91c4d3a6fc714c89c26a81c72968c3bd2433d56c6b1743af381913e3b406dd9cd0a17e2d1987701786b3f5ad94abdc395801bd2d7b5030815438c390962b134949e371b42fbc2eb059991c3e97fc3c5d010af5dc001f8388b95c207fa8ee811f5ba58fdd1c30cbd002ed3cd5f34ed82341ec1d6319ed10e8aeec09a601cb524d324340efb2a78b658d9293277b64a621cf9c8fb09fa947607a1438a41864d8ac52ae165b8dcccbdfe60fbf568644d6da458b2e73cb5d262fe5d49bf7f793e06c778627dd79a8cd0f7a1abcde5b6d27c4f151ed00fdae8b53b2e199b0855a17c1aa417f553b9e9807da019d4c836243c4ce8c2558b3138b3cdf5447cbb1658b2c1370c710243d1400035aceffe0976122836ec53926569007d0af36213bc1469a585158ef9cae8f53b1d3264c5e47bca86d849d2712f7092705d96e99f65481c422c31a45fa08505623a5bf3f8a9ebb00a16c12bd7a71f34e282b18763000668af8a76f434a08c5b10074bb3d4d349acac941ce8694451f6c614f28680c375de780e80b4efb547ac4290df67831d03859841ea05125fcf1a37f71b80c5ce034b53cc075b4e12cb25c9744debdfa75fc4ea688b7e60404032452493a9d12a391e638e75928d24b27dceb4f069f7da0512003b92ce721ca423d7edafe883f1a88bcd283f54953b17b78e2d27d197ca7614cd043a8f357ade6d2a6da33574c01af20133f65544e68cb9ed279e227743363c83bae061ea1d2a52d715952e6d6fd44874aaf369c255c084b6d29a301971e5c20eebcb61018ce89b1e43556c1e1e20ff88e84a291c9e64661d2026745f963a92b8df807d6903cd5f26fd72970cc4f7e42629c3d96d096d3982995823b90ca11e117b4f842ae9b6c6aa7d170c61948bb897e6973f75d0907e0d5f628928bf80a7fb270f258363b434d053392cb5f043864f53fd438a73816865aebf2bb4f20df65903221cc54579e999b56ac38fb298d258aec720b6837e7c6277c3f817bceda6fe5b5478a44f0c56c3ec57b7edc1f11d0cbf334ee6617f883f708e853ae1f058903b712e8d827b05d686ed177a140a9330c13210203889c2e70276c5a77a336e35661a4057bf812a89b7b5bc068aaf0d2330',2328);
INSERT INTO quarantine VALUES(2,1,1,101911402395121950,1795609971986,'127.0.0.1','Missing',X'caab98221b61ab533ad1df2762607f66',1,NULL,X'e460b24d7c6e12da82ee1986ed5994f1431738fa71d14584ece08ba676e796ccdb90478e8753e917cf2b1b5762b80db1a1a7490910fa5bf829520f0d95c517397e16fb12a1336d100e13ec1c0c1218e0a315a65e83e120db08de0f4aa7ed81d50622c8defd5363b17fdadcb742006e5357b763895743830ceffe3f7f52396233f9d46efc21f751fc59d62ad4e26382fed497264e88e4592bd661a3a59f0510d4e232bb1dfd0ee7f329693111e2f4bea135c374f8a74617df7dfe63e01e34dc9d5d309b1893fb0ecfda3e5c64c7a85b7d1ba2e77fe22d0119d8e20436db877ed99512507b83f770e416bc075cc1a59556a74c5e9bd9de605087582b077b4a1ea64387e7485673405191a17c3b7f1a80d10504f5a5798e037c227a5a4e37307d2560f5894190ea69f697f4f45c9beee6bcffea49db26d88a4085bccf80eec7f5c56852f6082b5db28debade76260ad9de59c8e245b863223c4a2fdb21572d78f9a75a91f6924bc421df77175ce6baedd42f0bbf1ef21c0cbf52cb15d6812cbec747611d0e720b16d6455b733d092de4902f13a9a5f2cb29f4d6e37efbc70d52c7cba4c847b53b34534e8596a2efd9902676bb0c10a62ded67d483eec7b9c66b3c095d60558e018a77598b00fae4436f4e02909fed624a970ca95953a9ac2280325326bcbfb559908266f67c44fc4d45b9467271c73a5163f82192cd4715cf831938a7ecd125b9458e9aa3f991983d3cad922e1836db5512aaad2c9b73bbcb50421cfcebfa4e06f7fea7dc2bba7cc76f5e365a7ba591e243d8800eebda63c2d2c9691ea39c716df87254512b65e21bb71e5f5d094b923b6f54cf922ad0f34b593b51e564c698ba1f5d632c8ddac41fbe276538524c8dcda4467dcd8bbccfca0952456191041692411bcb8f47b7a286dd5c270ab6bb9c9393479617a2e3324c2ad8a17af6df3768d776f38cf052a9d9bb4fbedb9ffcd4f62422d1f779a11a1ce98388c023f35bbad6e774ee6cb1fa93b34919d2cd2ed36fb63fb968ccbba2dbccb5f2dfac4788cd25e65a080ea7d1cb36ed4bd901f0d99c0d59ad044465651a1f83e8698c5a4fff602f808a6b4f355d1439f6c3402b8b0ab8f9ff645bd54c26c95abebac472ea196a410115852cd8dc339c3665bfd5089c643ec1c93437dd29e7d063846e81db5b9e60ddfeb9a9482bb4723f8867818f256feabbbe60b605f7c16acd587c72e98653a14ee87c8a01997fab615fee5c6bde2bf3adf7803b270aea1e2870d5e6dbe385bf27a04a84414e76ebd88d4a726fb427046bdecd99347d03555870bfd59612037c11da5313f2682a047635d43be906a544dc31a2e2cef7dc1b5af40bc798f48878535e67ed3c6172c8d5c32972b3ccde88174cd2902be5a4190e3d04d1ed5dfe640989d8dcd8ff93b44fc87b63bd16aa5f1a8476617ce2c661c59503001276a9760cf12178fb74322b919bc2f386c871f6bf47511086c0d2d39465dda827918422ab9b9ddd1a31ec9f4fdf2216a7ad122569113a8ef17dfeb8789bbf3175ce7f0584dcedca4d51d596331368d4ecd40ac71a503bdf4d515ddd8eb12963737a9fc14957d39f588693357ec462a2b284abc56edc32cfaafc109978589e982956cdf4cb8bdfbf02dc309cd',1328);
CREATE TABLE quarantine_images (
    quarantine_id INTEGER NOT NULL,
    part TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    md5 BLOB NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    PRIMARY KEY (quarantine_id, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine_use (
    park_id INTEGER PRIMARY KEY,
    pushes INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO quarantine_use VALUES(1,2,3656);
CREATE TABLE park_epochs (
    id INTEGER PRIMARY KEY,               -- what its records carry as park_id
    park_id INTEGER NOT NULL,
    entered_from INTEGER NOT NULL
) STRICT;
INSERT INTO park_epochs VALUES(1099511627776,2,1659497505093);
CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    name TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,               -- JSON: url, format, events, filters
    secret BLOB NOT NULL,                 -- sealed
    all_parks INTEGER NOT NULL,
    enters INTEGER NOT NULL,
    leaves INTEGER NOT NULL,
    relays INTEGER NOT NULL,              -- it is sent what was ignored for its serial, too: the other platform judges for itself
    paused INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    delivered_at INTEGER
, rate_free_at INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO subscribers VALUES(1,'city','{"url":"https://city.example/sync-{event}","format":"openapi","app_id":"A1","personal":false,"mask_plates":false,"compare":false}',X'61bb2eb1eae8bc3d6ca5a28bfeb7b39a8845a187f6e3a09193441915eb597df7374d8012c5becce02f',1,1,1,0,1,0,NULL,0);
INSERT INTO subscribers VALUES(2,'vendor','{"url":"https://vendor.example","format":"relay","personal":true,"mask_plates":false,"compare":false}',X'93a77680f3e7cace9caa744b9c5c12d297fbc7061553ee4ec4e06f8b6aa3b4359ba072dc66edc7a1',0,1,1,1,1,0,NULL,0);
CREATE TABLE subscriber_parks (
    subscriber_id INTEGER NOT NULL,
    park_id INTEGER NOT NULL REFERENCES parks (id),
    PRIMARY KEY (subscriber_id, park_id)
) STRICT, WITHOUT ROWID;
INSERT INTO subscriber_parks VALUES(2,2);
CREATE TABLE deliveries (
    subscriber_id INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    park_id INTEGER NOT NULL,
    dead INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,             -- while it is on its way: when another may take it over
    since INTEGER NOT NULL,               -- when it was to be told first
    told TEXT,                            -- what the last attempt came to
    PRIMARY KEY (subscriber_id, record_id)
) STRICT, WITHOUT ROWID;
INSERT INTO deliveries VALUES(1,1,1,0,0,1795609971696,1795609971696,NULL);
INSERT INTO deliveries VALUES(1,2,1,0,0,1795609971746,1795609971746,NULL);
INSERT INTO deliveries VALUES(1,3,1,0,0,1795609971754,1795609971754,NULL);
INSERT INTO deliveries VALUES(1,4,1,0,0,1795609971818,1795609971818,NULL);
INSERT INTO deliveries VALUES(1,5,1,0,0,1795609971828,1795609971828,NULL);
INSERT INTO deliveries VALUES(1,6,1,0,0,1795609971858,1795609971858,NULL);
INSERT INTO deliveries VALUES(1,7,1,0,0,1795609971874,1795609971874,NULL);
INSERT INTO deliveries VALUES(1,9,2,0,0,1795609972005,1795609972005,NULL);
INSERT INTO deliveries VALUES(1,10,3,0,0,1795609972026,1795609972026,NULL);
INSERT INTO deliveries VALUES(1,11,2,0,0,1795609972030,1795609972030,NULL);
INSERT INTO deliveries VALUES(1,12,2,0,0,1795609972032,1795609972032,NULL);
INSERT INTO deliveries VALUES(1,13,2,0,0,1795609972033,1795609972033,NULL);
INSERT INTO deliveries VALUES(1,14,2,0,0,1795609972035,1795609972035,NULL);
INSERT INTO deliveries VALUES(1,15,2,0,0,1795609972036,1795609972036,NULL);
INSERT INTO deliveries VALUES(1,16,1099511627776,0,0,1795609975154,1795609975154,NULL);
INSERT INTO deliveries VALUES(1,17,1099511627776,0,0,1795609975170,1795609975170,NULL);
INSERT INTO deliveries VALUES(1,18,1099511627776,0,0,1795609975174,1795609975174,NULL);
INSERT INTO deliveries VALUES(2,9,2,0,0,1795609972005,1795609972005,NULL);
INSERT INTO deliveries VALUES(2,11,2,0,0,1795609972030,1795609972030,NULL);
INSERT INTO deliveries VALUES(2,12,2,0,0,1795609972032,1795609972032,NULL);
INSERT INTO deliveries VALUES(2,13,2,0,0,1795609972033,1795609972033,NULL);
INSERT INTO deliveries VALUES(2,14,2,0,0,1795609972035,1795609972035,NULL);
INSERT INTO deliveries VALUES(2,15,2,0,0,1795609972036,1795609972036,NULL);
INSERT INTO deliveries VALUES(2,16,1099511627776,0,0,1795609975154,1795609975154,NULL);
INSERT INTO deliveries VALUES(2,17,1099511627776,0,0,1795609975170,1795609975170,NULL);
INSERT INTO deliveries VALUES(2,18,1099511627776,0,0,1795609975174,1795609975174,NULL);
CREATE TABLE differences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER NOT NULL,
    park_uuid TEXT NOT NULL,
    kind INTEGER NOT NULL,
    parking_serial TEXT NOT NULL,
    at INTEGER NOT NULL,
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL
) STRICT;
CREATE TABLE moving (
    what TEXT PRIMARY KEY,
    told TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO moving VALUES('clock','1795609970366');
INSERT INTO moving VALUES('id','e7e049d231890b63');
CREATE TABLE counted_runs (
    run INTEGER PRIMARY KEY,
    latest INTEGER NOT NULL
) STRICT;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('subscribers',2);
INSERT INTO sqlite_sequence VALUES('quarantine',2);
CREATE UNIQUE INDEX records_by_serial ON records (parking_serial, park_id, kind) WHERE conflict_with IS NULL;
CREATE INDEX records_conflicts ON records (conflict_with) WHERE conflict_with IS NOT NULL;
CREATE INDEX images_by_key ON images (sha256);
CREATE UNIQUE INDEX quarantine_by_digest ON quarantine (park_id, digest);
CREATE INDEX quarantine_by_age ON quarantine (received_at);
CREATE INDEX quarantine_images_by_key ON quarantine_images (sha256);
CREATE TRIGGER quarantine_added AFTER INSERT ON quarantine BEGIN
    INSERT INTO quarantine_use (park_id, pushes, bytes) VALUES (new.park_id, 1, new.bytes)
        ON CONFLICT (park_id) DO UPDATE SET pushes = pushes + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER quarantine_removed AFTER DELETE ON quarantine BEGIN
    UPDATE quarantine_use SET pushes = pushes - 1, bytes = bytes - old.bytes WHERE park_id = old.park_id;
    DELETE FROM quarantine_images WHERE quarantine_id = old.id;
END;
CREATE INDEX park_epochs_by_park ON park_epochs (park_id);
CREATE TRIGGER park_epochs_added AFTER INSERT ON park_epochs BEGIN UPDATE registry_version SET version = version + 1; END;
CREATE INDEX differences_by_subscriber ON differences (subscriber_id, id);
CREATE INDEX deliveries_due ON deliveries (subscriber_id, next_at, record_id) WHERE NOT dead;
CREATE INDEX deliveries_dead ON deliveries (subscriber_id, record_id) WHERE dead;
CREATE INDEX records_conflicts_by_park ON records (park_id, id) WHERE conflict_with IS NOT NULL;
CREATE INDEX records_conflicts_by_id ON records (id) WHERE conflict_with IS NOT NULL;
CREATE INDEX records_counted ON records (id >> 9, park_id, event_time, received_at, counted) WHERE counted IS NOT NULL;
CREATE INDEX counted_runs_latest ON counted_runs (latest);
COMMIT;
PRAGMA user_version = 7;
PRAGMA application_id = 0;
