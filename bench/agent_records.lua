-- Leaves for the agent's POST /leave, each with a serial of its own, counted on from the argument.
local number

function init(args)
    number = tonumber(args[1])
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    number = number + 1
    local body = string.format(
        '{"parking_serial":"20210602%010d","plate":"粤B%05d","plate_color":"1","enter_time":"1624874732253","leave_time":"1624937505093",' ..
        '"car_type":"1","car_desc":"临时车","vehicle_type":"1","charge_type":"1","leave_gate":"西门出口","total_value":"600","free_value":"100",' ..
        '"cash_value":"500","payment_list":[{"pay_origin_desc":"现金","pay_type":1,"operator":"张三","pay_time":"1624937505093","value":500,' ..
        '"free_value":100,"parking_order":"PO20210602%010d","change_value":0}]}', number, number % 100000, number)
    return wrk.format(nil, nil, nil, body)
end
