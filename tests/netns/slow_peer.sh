#!/usr/bin/env bash
# Peers that do not read stop their own connections, and no others.
#
# - Small pushed writes to one of them, until the library takes no more; then an echo on another
#   connection of the same channel.
# - Many of them ask ob-httpd for a large file; then others ask for a small one.
#
#   application -- engine -- veth -- kernel: peer.py, curl
#
# timeout: 90
set -u
. "${0%/*}/lib2/common.sh"
SLOW=80

net_up slow
# Few descriptors: more than the blocks of one connection's 1 MiB, far fewer than its writes.
engine_up limits.host_pieces=512

in_back "$dir/sink" listen 200
in_back "$dir/echo" serve 201
run timeout 40 "$OBT/obt-host" trickle "$OB_PEER_ADDR:200" "$OB_PEER_ADDR:201" >"$dir/trickle" ||
	die "beside a peer that does not read: $(cat "$dir/trickle")"
cat "$dir/trickle"
[ "$(counter req_put_off)" -eq 0 ] || die "requests waited: $(counter req_put_off)"

mkdir "$dir/root"
head -c 20000000 /dev/zero >"$dir/root/big.bin"
echo small >"$dir/root/index.html"
ready "$dir/httpd" "$OB_BIN/ob-httpd" --socket "$ENGINE_SOCKET" --addr "$OB_ADDR" --port 80 --root "$dir/root"
in_back "$dir/slow" stall "$OB_ADDR" 80 /big.bin "$SLOW"
for i in 1 2 3; do
	got=$(run ip netns exec "$N-peer" curl -sS -m 5 "http://$OB_ADDR/index.html") && [ "$got" = small ] ||
		die "no answer to request $i beside $SLOW peers that do not read"
done
# They were slow indeed, all of them.
rows conns 'r["state"] == "ESTABLISHED"' >"$dir/rows"
[ "$(cat "$dir/rows")" -ge "$SLOW" ] || die "$(cat "$dir/rows") connections are there, not $SLOW"
echo "three answers beside $SLOW peers that do not read"
