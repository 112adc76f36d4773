#!/bin/sh
# Runs every test and adds up: make check builds them first.
#
#   units     build/tests/unit/NAME for each tests/unit/NAME.c (cmocka; its summary is counted)
#   drivers   the table below; their last line is "N passed, N failed, N skipped"
#   scripts   tests/cli/NAME.sh, run by sh with STOKER=build/stoker; their last line likewise
#
# As many at a time as there are cores (JOBS); a line a program as it ends, its output only when it fails (of skipped tests the first
# reasons). The last line is "N passed, N failed"; status 1 on any failure.
# BUILD (build) is where the programs are; STOKER_SHARED (../shared) is the test data that is not in the repository. WALKS (100): how many
# random walks each schema gets.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
shared=${STOKER_SHARED:-../shared}
export STOKER_SHARED="$shared" STOKER="$build/stoker"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# A new driver is one row. needs: "-", or a path that must be there, else the row counts as one skipped test.
# driver       needs                                arguments
drivers="
kernels        -
header_fuzz    -
hostile_models -
unsaid         -
laws           -
plan           -
plan_models    $shared/spec/plan_models.json        $shared/spec/plan_models.json
prefix         -
state          -
tables         -
cache_trace    -
prompts        -
soak           -                                    10
serve          -
serve_room     -
serve_constraints -
hostile        -                                    20
load           -                                    20
server_crash   -                                    10
golden         -                                    --exact tests/data/golden models/ember
golden         -                                    --memory min tests/data/golden models/ember
golden         $shared/golden                       --exact $shared/golden
golden         $shared/golden                       --memory min $shared/golden
quants         $shared/quants                       $shared/quants
tokenizers     $shared/tokenizers                   $shared/tokenizers
sampling       $shared/spec/sampling_cases.json     $shared/spec/sampling_cases.json
tool_cases     $shared/spec/tool_cases              $shared/spec/tool_cases
tool_calls_model -
round_trip     -
random_schemas -
schema_cases   $shared/schema_cases                 --walks ${WALKS:-100} $shared/schema_cases
schema_cases   $shared/tokenizers                   --walks 200 tests/data/schema_cases
jinja          $shared/spec/jinja_cases.json        $shared/spec/jinja_cases.json
templates      $shared/templates                    $shared/templates
injection      -
"

# What cannot run.
fail() {
    echo "0 1 0" >>"$work/counts"
    printf '%-6s           %s: %s\n' FAILED "$1" "$2"
}
skip() {
    echo "0 0 1" >>"$work/counts"
    printf '%-6s           %s: %s\n' skip "$1" "$2"
}

run_driver() { # run_driver NAME NEEDS ARGUMENT...
    driver=$1 needs=$2
    shift 2
    if [ "$needs" != - ] && [ ! -e "$needs" ]; then
        skip "$driver${*:+ }$*" "$needs is absent"
    elif [ ! -x "$build/tests/$driver" ]; then
        fail "$driver${*:+ }$*" "$build/tests/$driver is not built"
    else
        echo "$build/tests/$driver${*:+ }$*" >>"$work/list"
    fi
}

rows=$(echo "$drivers" | sed '/^$/d')
while read -r row; do
    run_driver $row
done <<END
$rows
END

for c in tests/*.c; do
    driver=$(basename "$c" .c)
    [ -e "$c" ] || continue
    echo "$rows" | grep -q "^$driver " || fail "$driver" "has no row in the table of tests/check.sh"
done

for c in tests/unit/*.c; do
    unit=unit/$(basename "$c" .c)
    if [ -x "$build/tests/$unit" ]; then
        echo "$build/tests/$unit" >>"$work/list"
    else
        fail "$unit" "$build/tests/$unit is not built"
    fi
done

for script in tests/cli/*.sh; do
    [ -e "$script" ] && echo "sh $script" >>"$work/list"
done

xargs -P "${JOBS:-$(nproc)}" -L 1 sh tests/check_one.sh "$build" "$work" <"$work/list"

sum=$(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$work/counts")
read -r passed failed skipped <<END
$sum
END
[ "$skipped" -eq 0 ] || echo "$skipped skipped (each says why in its line; data outside the repository is looked for in $shared)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
