#!/usr/bin/env bash
# Stop what up.sh started in DIR; the data stays.  Usage: [SIGNAL=KILL] down.sh DIR
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
shopt -s nullglob

alive() { kill -0 "$1" 2> /dev/null; }

for name in client.rgw osd.0 mon.a; do  # those who depend on others first
    file=$1/run/$name.pid
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    alive "$pid" && kill -"${SIGNAL:-TERM}" "$pid"
    for _ in $(seq 300); do
        alive "$pid" || break
        sleep 0.1
    done
    if alive "$pid"; then
        echo "$name ($pid) does not stop" >&2
        exit 1
    fi
    rm -f "$file" "$1/run/$name.asok"
done
