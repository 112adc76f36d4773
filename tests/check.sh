#!/bin/sh
# Runs every test and adds up: make check builds them first.
#
#     sh tests/check.sh                all
#     sh tests/check.sh --memory       what .ci/run gives to the sanitizers: the units, and the drivers and scripts marked below:
#                                      each path through memory once, where the others take it again for the sake of bits
#
#   units     build/tests/unit/ROOM/NAME for each tests/unit/ROOM/NAME.c (cmocka; its summary is counted)
#   drivers   the table below; their last line is "N passed, N failed, N skipped"
#   scripts   tests/cli/NAME.sh, run by sh with STOKER=build/stoker; their last line likewise
#
# As many at a time as there are cores (JOBS), and beside them one of those that wait; a line a program as it ends (check_one.sh), its
# output only when it fails (of skipped tests the first reasons); then how busy the cores were: the rest of them waited. The last line is
# "N passed, N failed, N skipped"; status 1 on any failure. Skipped is what this machine cannot do. BUILD (build) is where the programs
# are, and data, the unpacked archives of tests/data. WALKS (100): how many random walks each schema gets.
set -u
cd "$(dirname "$0")/.." || exit 1
only_marked=
[ "${1-}" != --memory ] || only_marked=1
build=${BUILD:-build}
data=$build/data
export BUILD="$build" STOKER="$build/stoker" STOKER_NO_CONFIG=1
work=$(mktemp -d) || exit 1
beside=
trap '[ -z "$beside" ] || kill "$beside"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Requests of a load, and headers that are looked at: fewer where each takes longer.
load=200
if [ "$only_marked" ]; then
    load=100
    export ONE_OF=4
fi

# A new driver is one row; + where it goes through memory as no other does, - where a script runs it, of bench/ too.
# driver           arguments
drivers="
+ kernels
+ header_fuzz
+ hostile_models
+ unsaid
+ equivalent
+ laws
  plan
  plan_speed
  large_plan       $data/headers/minimax-m3-428b-a23b.gguf
+ plan_models      $data/cases/plan_models.json $data/headers/INDEX.json
+ prefix
+ drafts
+ nextn
+ state
+ tables
+ cache_trace
  prompts
  soak             10
+ serve
+ serve_memory
+ serve_constraints
+ serve_steer
+ serve_activations
+ serve_library
+ serve_mcp
+ mcp_http
  library_soak     $load
  socket_audit
+ serve_pages
+ hostile          20
  allocation_failures
  load             20
+ load             --beside $load
  server_crash     10
- beside
- gaps
- nomad            tests/data/nomad-calls.jsonl $data/embeddings/nomic-bert.gguf
+ golden           --exact --all $data/golden models/ember
  golden           --exact --kv f16 --all $data/golden models/ember
+ golden           --exact --kv q8_0 --all $data/golden models/ember
  golden           --memory min --all $data/golden models/ember
  prompt_logprobs  $data/golden models/ember
+ steer            --exact $data/steering
+ steer_laws
  steer_laws       $data/golden/qwen3moe.gguf $data/golden/deepseek4.gguf $data/golden/qwen35moe.gguf
+ capture          --exact $data/steering
  capture
  capture          $data/steering/steer-llama-tied.gguf $data/golden/qwen35moe.gguf
+ embed            --exact $data/embeddings
  embed            $data/embeddings
  embed            --cpu-tier scalar $data/embeddings/bert-none.gguf $data/embeddings/nomic-bert-moe.gguf
+ embed            --as q8_0 $data/embeddings/gemma-embed-dense.gguf $data/embeddings/bert-none.gguf --as f16 $data/embeddings/bert-rank.gguf $data/embeddings/jina-bert-v2.gguf
+ eval_stats       $data/eval
+ zim              $data/library/zim
  library          $data/library
- library_tool
+ quants           $data/quants
+ recipes          $data/quantize
+ encode           $data/quantize
  gain             $data/quantize models/ember
  importance       $data/quantize models/ember
- quantize
- weighted_errors
- read_rows
- same_directions
- without_ring
- fuse_file
  sae_train
- steered_rows
+ tokenizers       $data/tokenizers
+ sampling         $data/cases/sampling.json
+ tool_cases       $data/tool_cases
  tool_calls_model
  deferred_calls
  round_trip
+ random_schemas
+ schema_cases     --walks ${WALKS:-100} $data/schemas
  schema_cases     --walks 200 tests/data/schema_cases
+ jinja            $data/cases/jinja.json
+ templates        $data/templates
+ injection
"

# What cannot run.
fail() {
    echo "0 1 0" >>"$work/counts"
    printf '%-6s           %s: %s\n' FAILED "$1" "$2"
}

run_driver() { # run_driver [+|-] NAME ARGUMENT...
    case $1 in
    +) shift ;;
    -) return ;;
    *) [ ! "$only_marked" ] || return ;;
    esac
    driver=$1
    shift
    if [ ! -x "$build/tests/$driver" ]; then
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
    echo "$rows" | grep -Eq "^[+ -] $driver( |\$)" || fail "$driver" "has no row in the table of tests/check.sh"
done

# Of the scripts those that give the program files and flags, and end soon.
marked_scripts=" answers check inspect prompts render tokenize tools usage "
for script in tests/cli/*.sh; do
    case $marked_scripts in
    *" $(basename "$script" .sh) "*) ;;
    *) [ ! "$only_marked" ] || continue ;;
    esac
    echo "sh $script" >>"$work/list"
done

# Units last: most are short, so that all cores have something to the end.
for c in $(find tests/unit -name '*.c' | LC_ALL=C sort); do
    unit=${c#tests/}
    unit=${unit%.c}
    if [ -x "$build/tests/$unit" ]; then
        echo "$build/tests/$unit" >>"$work/list"
    else
        fail "$unit" "$build/tests/$unit is not built"
    fi
done

# Those that wait for half of their time or more, for reads, servers and delays: a core would be idle.
waiting=" allocation_failures capture laws library_soak round_trip serve_mcp serve_memory server_crash cli/doctor.sh cli/eval.sh cli/mcp.sh \
cli/prompts.sh cli/run_mcp.sh cli/serve.sh cli/terminal.sh cli/tune.sh unit/bridge/session unit/mcp/mcp unit/store/expert_store \
unit/store/expert_sweep unit/store/row_store unit/store/weights unit/toolbox/mcp_service "
while read -r command; do
    name=${command#sh } name=${name#"$build/"} name=${name#tests/}
    case $waiting in
    *" ${name%% *} "*) echo "$command" >>"$work/waiting" ;;
    *) echo "$command" >>"$work/computing" ;;
    esac
done <"$work/list"
began=$(cut -d. -f1 /proc/uptime)
xargs -L 1 sh tests/check_one.sh "$build" "$work" <"$work/waiting" &
beside=$!
xargs -P "${JOBS:-$(nproc)}" -L 1 sh tests/check_one.sh "$build" "$work" <"$work/computing"
wait "$beside"
beside=

took=$(($(cut -d. -f1 /proc/uptime) - began))
[ "$took" -gt 0 ] || took=1
awk -v took="$took" -v cores="$(nproc)" '
    { program += $4; kernel += $5 }
    END {
        printf "processors: %.0f s in programs, %.0f s in the kernel, %.0f %% of %d cores for %d s\n",
            program, kernel, 100 * (program + kernel) / (took * cores), cores, took
    }' "$work/counts"

sum=$(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$work/counts")
read -r passed failed skipped <<END
$sum
END
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
