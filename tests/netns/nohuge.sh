#!/usr/bin/env bash
# Without hugepages, neither in the engine nor in the host: all works, and both say so.
#
#   ob-load -- engine (--no-huge) 10.77.0.1 eng0 ---- peer0 10.77.0.2 kernel -- kpeer
#
# timeout: 120
set -u
. "${0%/*}/../../tools/lib.sh"
guard_signals "$@"
require_root
. "$OB_ROOT/tests/netns/lib/load.sh"

OB_HUGE_MIN=0
free=$(huge_free)
load_up nohuge engine.memory=normal
# What is left of the pool is taken, so that the host finds none.
python3 - "$dir" <<'PY' &
import ctypes
import mmap
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
fd = libc.memfd_create(b"all", 4)  # MFD_HUGETLB
pages = int(open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read())
if pages:
    os.ftruncate(fd, pages << 21)
    os.posix_fallocate(fd, 0, pages << 21)
open(sys.argv[1] + "/taken", "w").close()
signal.pause()
PY
taker=$!
cleanup_push stop_pid "$taker"
wait_for 20 test -e "$dir/taken" || die "cannot take the hugepages"
[ "$(huge_free)" = 0 ] || die "$(huge_free) hugepages are still free"
load serves engine --conns 20 -- --conns 20 --bytes 1000000
grep -qi 'hugepage' "$dir/serves.server" || die "the host did not warn: $(cat "$dir/serves.server")"
load connects kernel --conns 20 -- --conns 20 --bytes 1000000
look end
check end end 'b["stat"]["conns"] == 0'
engine_stop "$ENGINE_PID" || die "the engine did not stop cleanly"
stop_pid "$taker"
[ "$(huge_free)" -ge "$free" ] || die "$(huge_free) hugepages free, $free before"
exit 0
