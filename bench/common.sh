# Sourced by the scripts here, with `seconds` and `parks` set: a working folder, gates on free ports, wrk. Whatever was
# started is ended, and the folder removed, when the script ends.
# A script that brings its own programs sets `built`; $PARKGATE is a program in place of the one built here.
[ "${built:-yes}" = no ] || [ -n "${PARKGATE:-}" ] || cargo build --profile dist --quiet
work=$(mktemp -d "${TMPDIR:-/tmp}/parkgate-bench.XXXXXX")
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    # Without waiting for its clients.
    kill -INT "${database:-}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
parkgate=${PARKGATE:-target/dist/parkgate}

start() { # NAME FLAGS…: a gate on a free port; its URL in $url, that of its figures in $admin_url, its pid in $gate
    local name=$1; shift
    start_plain "$name" --admin-listen 127.0.0.1:0 "$@"
}

start_plain() { # NAME FLAGS…: the same, with no flag that the first programs did not know
    local name=$1; shift
    : >"$work/$name.out" # of one before it
    "$parkgate" serve --listen 127.0.0.1:0 --data "$work/$name" "$@" >"$work/$name.out" 2>"$work/$name.log" &
    gate=$!; pids+=("$gate")
    until grep -q '^listening on' "$work/$name.out"; do kill -0 "$gate"; done
    url=$(sed -n 's/^listening on //p' "$work/$name.out") admin_url=$(sed -n 's/^admin on //p' "$work/$name.out")
}

stop() { # PID
    kill "$1"; wait "$1" || true
    pids=("${pids[@]/$1}")
}

add_parks() { # NAME FLAGS…: `bench-0000` and so on
    local data=$work/$1; shift
    seq -f '%04g' 0 $((parks - 1)) | while read -r number; do
        "$parkgate" park add --uuid "bench-$number" --secret 123 --name bench --data "$data" "$@" >/dev/null
    done
}

# Without `wal_init_zero` the first gigabytes of a new cluster's log are as fast as those of an older one, whose segments are
# used again: with it every 16 MiB wait some 50 ms, whoever writes.
start_postgres() { # SETTINGS…: a fresh cluster with fsync, its socket in $work, TCP on $port; programs in $bin, pid in $database
    local as=()
    [ "$(id -u)" = 0 ] && { as=(setpriv --reuid postgres --regid postgres --clear-groups); chown postgres "$work"; chmod 755 "$work"; }
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "${as[@]}" "$bin/initdb" -D "$work/pg" -U postgres --auth trust --encoding UTF8 --locale C >/dev/null
    "${as[@]}" "$bin/postgres" -D "$work/pg" -k "$work" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=200 \
        -c shared_buffers=1GB -c max_wal_size=8GB -c wal_init_zero=off "$@" >"$work/pg.log" 2>&1 &
    database=$!; pids+=("$database")
    until "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; do kill -0 "$database"; sleep 0.1; done
}

url_of() { # NAME: of a new database
    "$bin/createdb" -h 127.0.0.1 -p "$port" -U postgres "$1"
    echo "postgres://postgres@127.0.0.1:$port/$1"
}

sql() { # DATABASE STATEMENT
    "$bin/psql" -h 127.0.0.1 -p "$port" -U postgres -X -A -t -q -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}

load() { # CONNECTIONS URL FILE [CALL]: "rate p99_ms errors"
    wrk -t1 -c"$1" -d"${seconds}s" -s bench/leaves.lua "$2/gate/1.0/parking/internal/${4:-leave}" -- "$3" |
        sed -n 's/^RESULT //p'
}
