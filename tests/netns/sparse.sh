#!/usr/bin/env bash
# Peers that send a byte far ahead of the rest, and then nothing, take buffers and tables from nobody:
#
# - with as many of them as would take every receive buffer of ob-httpd, others get and put files;
# - with as many as there are out-of-order tables, the upload of 20 MB to another host over a path that
#   loses 1 % takes no longer than before them.
#
#   ob-httpd :80, another :81 -- engine -- eng0 ---- w0 [outboard-wire] w1 ---- peer0 -- kernel
#
# timeout: 150
set -u
. "${0%/*}/lib2/common.sh"
N=$(ob_name sparse)
dir=$(mktemp -d)
chmod 755 "$dir"
cleanup_push rm -rf "$dir"
netns_up "$N" --relay || die "no namespaces"
wire_up() {
	: >"$dir/wire"
	spawn "$dir/wire" ip netns exec "$N-wire" "$OB_BIN/outboard-wire" --a w0 --b w1 --seed 5 --delay-us 1000 "$@"
	wire=$SPAWN_PID
	wait_for 5 grep -qs ready "$dir/wire" || die "the relay did not start"
}
wire_up
engine_up limits.ooo=1024
mkdir "$dir/root"
echo small >"$dir/root/index.html"
head -c 3000000 /dev/urandom >"$dir/up.bin"
ready "$dir/httpd" "$OB_BIN/ob-httpd" --socket "$ENGINE_SOCKET" --addr "$OB_ADDR" --port 80 --root "$dir/root"
mkdir "$dir/other"
head -c 20000000 /dev/urandom >"$dir/big.bin"
ready "$dir/httpd2" "$OB_BIN/ob-httpd" --socket "$ENGINE_SOCKET" --addr "$OB_ADDR" --port 81 --root "$dir/other"

# lossy WHAT: milliseconds that the upload takes, in $took.
lossy() {
	stop_pid "$wire"
	wire_up --loss 0.01
	began=$(now_ms)
	run ip netns exec "$N-peer" curl -sS -m 40 -T "$dir/big.bin" "http://$OB_ADDR:81/big.bin" >"$dir/put" 2>&1 ||
		die "$1: $(cat "$dir/put")"
	took=$(($(now_ms) - began))
	stop_pid "$wire"
	wire_up
	cmp "$dir/big.bin" "$dir/other/big.bin" || die "$1: the upload differs"
	echo "20 MB at 1 % loss $1: $took ms"
}
lossy before
before=$took
segs=$(counter tcp_ooo_segs)
in_back "$dir/far" sparse "$OB_ADDR" 80 200 261000
far=$SPAWN_PID
wait_for 5 grew tcp_ooo_segs "$segs" || die "nothing came out of order"
wait_for 5 grew drop_tcp_ooo_buffers 0 || die "200 bytes far away did not want all buffers"
for i in 1 2 3; do
	got=$(run ip netns exec "$N-peer" curl -sS -m 5 "http://$OB_ADDR/index.html") && [ "$got" = small ] ||
		die "no answer to request $i"
done
run ip netns exec "$N-peer" curl -sS -m 10 -T "$dir/up.bin" "http://$OB_ADDR/up.bin" >"$dir/put" 2>&1 ||
	die "no upload: $(cat "$dir/put")"
cmp "$dir/up.bin" "$dir/root/up.bin" || die "the upload differs"
# Whether any had to be given back for it depends on how fast ob-httpd reads: an eighth of them was left free.
echo "$(counter tcp_ooo_reclaimed) given back, $(counter drop_tcp_ooo_buffers) refused"
[ "$(counter drop_tcp_no_buffer)" -eq 0 ] || die "data in order was dropped: $(counter drop_tcp_no_buffer)"
[ "$(rows conns 'r["state"] == "ESTABLISHED"')" -ge 200 ] || die "the 200 are gone"
echo "three answers and an upload beside 200 bytes far away"
stop_pid "$far"

evicted=$(counter tcp_ooo_evicted)
in_back "$dir/many" sparse "$OB_ADDR" 80 1024 100
wait_for 5 grew tcp_ooo_evicted "$evicted" || die "one host has all tables"
lossy "beside 1,024 gaps of another host"
[ "$(counter drop_tcp_ooo_full)" -eq 0 ] || die "out-of-order data was refused: $(counter drop_tcp_ooo_full)"
[ "$took" -lt $((4 * before + 1000)) ] || die "$took ms, and $before ms without them"
exit 0
