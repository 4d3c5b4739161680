"""An independent signer: names and values as JSON pairs on standard input, the secret as the argument; prints the string that
is signed, without its secret, and the signature."""
import hashlib
import json
import sys

pairs = [(name, value) for name, value in json.load(sys.stdin) if name != "sign" and value != ""]
joined = "&".join(f"{name}={value}" for name, value in sorted(pairs, key=lambda pair: pair[0].encode()))
signed = hashlib.md5(f"{joined}&app_secret={sys.argv[1]}".encode()).hexdigest()
print(json.dumps({"string": joined, "sign": signed}))
