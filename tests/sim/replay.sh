#!/usr/bin/env bash
# A seed replays: the event hash is the same in one process and in several, among other seeds and
# alone, with a trace and without; and a failure says what to run to see it again.
# timeout: 600
set -u
sim=${OB_BIN:-build/bin}/outboard-sim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() {
	echo "$1"
	exit 1
}

"$sim" --seeds 1-300 --jobs 1 --hashes >"$work/one" || die "seeds fail: $(tail -n 3 "$work/one")"
"$sim" --seeds 1-300 --jobs 3 --hashes >"$work/three" || die "seeds fail with three jobs"
for run in one three; do
	grep -E '^seed [0-9]+ hash ' "$work/$run" | sort >"$work/$run.hashes"
done
[ "$(wc -l <"$work/one.hashes")" = 300 ] || die "not every seed has a hash"
cmp "$work/one.hashes" "$work/three.hashes" || die "the hashes depend on the number of jobs"
[ "$(cut -d' ' -f4 "$work/one.hashes" | sort -u | wc -l)" = 300 ] || die "seeds are not different"
for seed in 17 131 300; do
	"$sim" --seeds $seed --hashes --trace "$work/trace" | grep "^seed $seed hash " >"$work/alone"
	grep -qxFf "$work/alone" "$work/one.hashes" || die "seed $seed is another when it runs alone"
	# Section header of pcapng, in this machine's byte order.
	[ "$(head -c 12 "$work/trace" | od -An -tx4 | tr -d ' ')" = 0a0d0d0a0000001c1a2b3c4d ] ||
		die "the trace is no pcapng file"
done
if command -v tcpdump >/dev/null; then
	tcpdump -nr "$work/trace" 2>"$work/err" | grep -q 'Flags \[S\]' || die "tcpdump sees no SYN"
fi

# Faults end; what is unknown is refused; time that runs out is no failure.
"$sim" --seeds 5-5 --set heal_us=1 --set loss_ppm=1000000 --set give_up=0 --set script=0 \
	--set host_stalls=0 >/dev/null || die "faults do not end at heal_us"
"$sim" --seeds 1-1 --set no_such_thing=1 2>/dev/null && die "unknown dimensions are taken"
"$sim" --seeds 1-100000000 --minutes 0.05 >"$work/out" || die "out of time is no failure"
grep -Eq 'seeds 1-100000000: [0-9]+ run in' "$work/out" || die "it does not say how many seeds ran"
exit 0
