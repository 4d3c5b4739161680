# Sourced by the scripts here, with `seconds` and `parks` set: a working folder, gates on free ports, wrk. Whatever was
# started is ended, and the folder removed, when the script ends.
cargo build --release --quiet
work=$(mktemp -d "${TMPDIR:-/tmp}/parkgate-bench.XXXXXX")
pids=()
cleanup() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"; }
trap cleanup EXIT
parkgate=target/release/parkgate

start() { # NAME FLAGS…: a gate on a free port; its URL in $url, its pid in $gate
    local name=$1; shift
    "$parkgate" serve --listen 127.0.0.1:0 --data "$work/$name" "$@" >"$work/$name.out" 2>"$work/$name.log" &
    gate=$!; pids+=("$gate")
    until grep -q '^listening on' "$work/$name.out"; do kill -0 "$gate"; done
    url=$(sed -n 's/^listening on //p' "$work/$name.out")
}

stop() { # PID
    kill "$1"; wait "$1" || true
    pids=("${pids[@]/$1}")
}

add_parks() { # into the store NAME
    seq -f '%04g' 0 $((parks - 1)) | while read -r number; do
        "$parkgate" park add --uuid "bench-$number" --secret 123 --name bench --data "$work/$1" >/dev/null
    done
}

load() { # CONNECTIONS URL FILE: "rate p99_ms errors"
    wrk -t1 -c"$1" -d"${seconds}s" -s bench/leaves.lua "$2/gate/1.0/parking/internal/leave" -- "$3" |
        sed -n 's/^RESULT //p'
}
