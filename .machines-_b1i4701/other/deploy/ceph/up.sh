#!/usr/bin/env bash
# Start a one-machine Ceph object gateway on 127.0.0.1 (see README.md).  Usage: up.sh DIR PORT
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: $0 DIR PORT" >&2; exit 2; }
mkdir -p "$1"/{mon,osd/0,log,run}
dir=$(cd "$1" && pwd)
port=$2
monitor_port=${CEPH_MONITOR_PORT:-$((port + 1))}
object_store=${CEPH_OBJECT_STORE:-bluestore}
access_key=${AWS_ACCESS_KEY_ID:-labelsnap-test}
secret_key=${AWS_SECRET_ACCESS_KEY:-labelsnap-test-secret}
endpoint=http://127.0.0.1:$port
conf=$dir/ceph.conf
as_root=(--setuser root --setgroup root)

for program in ceph-mon ceph-osd radosgw radosgw-admin ceph monmaptool ceph-authtool curl; do
    command -v "$program" > /dev/null || { echo "missing: $program; install ceph-mon ceph-osd radosgw ceph-common curl" >&2; exit 1; }
done

running() { [ -s "$dir/run/$1.pid" ] && kill -0 "$(cat "$dir/run/$1.pid")" 2> /dev/null; }

# Run the command until it succeeds, for a minute at most.
await() {
    for _ in $(seq 300); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.2
    done
    echo "gave up waiting for: $* (logs in $dir/log)" >&2
    exit 1
}

write_conf() {
    cat > "$conf" << CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = v2:127.0.0.1:$monitor_port/0
public_network = 127.0.0.0/8
cluster_network = 127.0.0.0/8
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# Without authentication radosgw hangs in the monitors' default mode, which prefers encryption.
ms_mon_client_mode = crc secure
ms_mon_service_mode = crc secure
ms_client_mode = crc secure
keyring = $dir/keyring
run_dir = $dir/run
pid_file = $dir/run/\$name.pid
admin_socket = $dir/run/\$name.asok
log_file = $dir/log/\$name.log
mon_cluster_log_file = $dir/log/cluster.log
crash_dir = $dir/log
mon_allow_pool_size_one = true
mon_data_avail_crit = 0
mon_max_pg_per_osd = 1000
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0

[mon.a]
mon_data = $dir/mon/a

[osd]
osd_data = $dir/osd/\$id
osd_objectstore = $object_store
osd_memory_target = 939524096
bluestore_block_create = true
bluestore_block_size = 10737418240
memstore_device_bytes = 4294967296

[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_run_sync_thread = false
rgw_dynamic_resharding = false
rgw_enable_ops_log = false
rgw_enable_usage_log = false
CONF
}

make_monitor() {
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
    monmaptool --create --clobber --fsid "$(sed -n 's/^fsid = //p' "$conf")" \
        --addv a "[v2:127.0.0.1:$monitor_port]" "$dir/monmap"
    ceph-mon -c "$conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/keyring"
}

make_osd() {
    local uuid
    uuid=$(cat /proc/sys/kernel/random/uuid)
    ceph -c "$conf" osd new "$uuid"
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid" "${as_root[@]}"
    ceph -c "$conf" osd crush add osd.0 1.0 root=default host=local
}

exec 3>&1 > "$dir/log/up.log" 2>&1
trap '[ $? -eq 0 ] || tail -n 20 "$dir/log/up.log" >&3' EXIT

[ -s "$conf" ] || write_conf
grep -q "endpoint=127.0.0.1:$port\$" "$conf" || { echo "$dir belongs to another port than $port"; exit 2; }
[ -d "$dir/mon/a" ] || make_monitor
running mon.a || ceph-mon -c "$conf" -i a "${as_root[@]}" 3>&-
await ceph -c "$conf" --connect-timeout 5 status
[ -e "$dir/osd/0/ready" ] || make_osd
running osd.0 || ceph-osd -c "$conf" -i 0 "${as_root[@]}" 3>&-
osd_is_up() { ceph -c "$conf" osd stat | grep -q '1 up'; }
await osd_is_up
admin=(radosgw-admin -c "$conf" -n client.rgw)
"${admin[@]}" user info --uid=labelsnap || "${admin[@]}" user create --uid=labelsnap --display-name=labelsnap \
    --access-key="$access_key" --secret-key="$secret_key"
running client.rgw || radosgw -c "$conf" -n client.rgw "${as_root[@]}" 3>&-
await curl --silent --fail --output /dev/null "$endpoint/"

cat >&3 << EXPORTS
# Ceph's object gateway answers on $endpoint
export AWS_ENDPOINT_URL_S3=$endpoint
export AWS_ACCESS_KEY_ID=$access_key
export AWS_SECRET_ACCESS_KEY=$secret_key
export AWS_REGION=us-east-1
export LABELSNAP_TEST_CEPH_ENDPOINT=$endpoint
EXPORTS
