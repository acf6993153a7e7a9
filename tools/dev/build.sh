#!/usr/bin/env bash
# Makes build/, the release build that the scripts use, or brings it up to date.
set -u
. "${BASH_SOURCE[0]%/*}/../lib.sh"
OB_WHO=build
cd "$OB_ROOT" || exit 1
if [ ! -f build/build.ninja ]; then
	# What is left of a configuration that was interrupted.
	rm -rf build/meson-private build/meson-info
	run meson setup build --buildtype=release -Db_ndebug=false || die "cannot configure"
fi
run ninja -C build || die "cannot build"
