#!/usr/bin/env bash
# The checks of sources that need no engine to run.
#
#   style.sh --list [--quick]   names of the checks, one a line
#   style.sh CHECK              one of them; exit status 1 with what was found, 77 when it cannot run
#   style.sh CHECK CHECK...     each of them, by name; exit status 1 when any found something or cannot run
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
cd "$OB_ROOT" || exit 1

quick=(format layers layers-self-test shell-syntax python-syntax docs mutants cppcheck)
slow=(headers clang-build coverage sanitizers sanitizers-netns threads)

# sources PATTERN...: tracked and new files of that name.
sources() { git ls-files -co --exclude-standard -- "$@" 2>/dev/null | sort -u | while read -r file; do
	[ -f "$file" ] && echo "$file"
done; }
# Also where there is no git, as in an unpacked archive.
git rev-parse --git-dir >/dev/null 2>&1 || sources() {
	local pattern
	for pattern in "$@"; do
		find . -name "$pattern" -type f ! -path './build*' ! -path './.git/*' | sed 's|^\./||'
	done | sort -u
}
need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

check_format() {
	need clang-format-14
	sources '*.c' '*.h' | xargs -r clang-format-14 --dry-run -Werror
}
check_layers() { tools/dev/layers.py; }
check_layers_self_test() { tools/dev/layers.py --self-test; }
check_shell_syntax() {
	local file status=0
	for file in $(sources '*.sh' '.ci/run'); do
		bash -n "$file" || status=1
	done
	return $status
}
# Pages that are made from the .def files say what these say; what the RFC matrix names exists.
check_docs() {
	tools/dev/options_doc.py --check && tools/dev/counters_doc.py --check && tools/dev/matrix.py --self-test
}
check_python_syntax() {
	sources '*.py' | xargs -r python3 -c '
import ast, sys
for name in sys.argv[1:]:
    ast.parse(open(name).read(), name)'
}

# The planted faults (tests/sim/mutants.sh) apply to the code as it is.
check_mutants() {
	local patch bad=0
	for patch in tests/sim/mutants/*.patch; do
		git apply --check "$patch" || {
			echo "$patch does not apply any more"
			bad=1
		}
	done
	return $bad
}

# One header alone; what the host's side uses does so without DPDK.
header_alone() {
	local flags
	case $1 in
	tools/bench/*) flags=$(pkg-config --cflags libdpdk) ;;
	shared/* | host_lib/* | tools/*) flags= ;;
	*) flags=$(pkg-config --cflags libdpdk) ;;
	esac
	# shellcheck disable=SC2086
	gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-missing-field-initializers \
		-Wno-address-of-packed-member -Wno-unused-function -I. -Ihost_lib/include $flags \
		-DOB_VERSION='"x"' -fsyntax-only -x c - <<<"#include \"$1\"" || {
		echo "$1 does not compile alone"
		return 1
	}
}
check_headers() {
	export -f header_alone
	sources '*.h' | xargs -r -P "$(nproc)" -I{} bash -c 'header_alone {}'
}
check_cppcheck() {
	need cppcheck
	local -a folders=()
	local folder
	for folder in engine host_lib shared tools tests; do
		[ -d "$folder" ] && folders+=("$folder")
	done
	# Without DPDK's headers, so what concerns unknown macros and types is left out.
	cppcheck -q -j "$(nproc)" --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingInclude \
		--suppress=missingIncludeSystem --suppress=unknownMacro --suppress=preprocessorErrorDirective \
		--suppress=internalAstError --suppress=syntaxError --suppress=arithOperationsOnVoidPointer \
		--suppress=toomanyconfigs --suppress=readdirCalled -I. -D_GNU_SOURCE "${folders[@]}"
}

# configure FOLDER OPTIONS...: a build folder with these options, made when it is not there.
configure() {
	[ -f "$1/build.ninja" ] && return 0
	rm -rf "$1"
	run meson setup "$@"
}
check_clang_build() {
	need clang-14
	CC=clang-14 configure build-clang --buildtype=release -Db_ndebug=false -Dwerror=true &&
		run ninja -C build-clang
}
build_sanitized() {
	configure build-asan --buildtype=debugoptimized -Db_sanitize=address,undefined &&
		run ninja -C build-asan
}
check_sanitizers() {
	build_sanitized || return 1
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
	run meson test -C build-asan --no-rebuild --print-errorlogs --timeout-multiplier 5 \
		--suite unit --suite host --no-suite wrap
}
# Every netns test, with engine, library and tools under ASan and UBSan. What these find goes to a file,
# so that it counts also in a process whose exit status nobody looks at. One that is killed, as servers
# often are, shows no leak; the engine, which every test starts, ends by itself.
check_sanitizers_netns() {
	local file name limit status=0 began
	build_sanitized || return 1
	reports=$(mktemp -d)
	cleanup_push rm -rf "$reports"
	chmod 1777 "$reports" # one test's programs are nobody's
	export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$reports/ubsan
	export ASAN_OPTIONS=detect_leaks=1:log_path=$reports/asan
	export OB_BIN=$OB_ROOT/build-asan/bin
	for file in tests/netns/*.sh; do
		name=$(basename "$file")
		if grep -q '^# not sanitized: ' "$file"; then
			echo "--- $name not: $(sed -n 's/^# not sanitized: //p' "$file")"
			continue
		fi
		echo "--- $name"
		began=$SECONDS
		limit=$(sed -n 's/^# timeout: *//p' "$file")
		run timeout -k 15 "${limit:-120}" "$file" || {
			echo "$name fails with status $?"
			status=1
		}
		echo "$name took $((SECONDS - began)) s"
		no_reports "$name" || status=1
	done
	return $status
}
# no_reports NAME: sanitizers found nothing; what they did is printed and taken away.
no_reports() {
	local report status=0
	for report in "$reports"/*; do
		[ -e "$report" ] || continue
		echo "found in $1:"
		head -n 60 "$report"
		rm -f "$report"
		status=1
	done
	return $status
}
# What of engine/tcp the unit tests and the simulator run.
check_coverage() { tools/dev/coverage.sh --min 90; }
check_threads() {
	configure build-tsan --buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false || return 1
	export TSAN_OPTIONS=halt_on_error=1
	# Builds what these tests need and nothing else.
	run meson test -C build-tsan --print-errorlogs --timeout-multiplier 5 --suite tsan
}

case "${1:-}" in
--list)
	printf '%s\n' "${quick[@]}"
	[ "${2:-}" = --quick ] && exit 0
	printf '%s\n' "${slow[@]}"
	;;
*)
	[ $# -ge 1 ] || die "usage: style.sh --list [--quick] | CHECK..."
	for wanted in "$@"; do
		case " ${quick[*]} ${slow[*]} " in
		*" $wanted "*) ;;
		*) die "there is no check $wanted; style.sh --list names them" ;;
		esac
	done
	if [ $# = 1 ]; then
		"check_${1//-/_}"
		exit $?
	fi
	failed=0
	for wanted in "$@"; do
		if ("$0" "$wanted"); then
			echo "ok   $wanted"
		else
			echo "fail $wanted"
			failed=1
		fi
	done
	exit $failed
	;;
esac
