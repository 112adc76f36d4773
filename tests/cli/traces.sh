# Routes and the cache's decisions as files: the engine's log is the simulator's for the routes of the same run (streaming.md T.1).
. tests/cli/harness

shared=${STOKER_SHARED:-../shared}
simulator=$shared/tools/cachesim.py

# 24 prompt rows and 16 decoded ones, row by row.
for case in "qwen3moe 8 12 20" "qwen2moe 6 9 12" "mixtral 6 8 11" "ember 6 30 55"; do
    set -- $case
    model=$1
    shift
    file=$golden/$model.gguf
    [ -e "$file" ] || file=$ember
    for slots; do
        run bench "$file" -p 24 -n 16 -r 1 --no-warmup --chunk 1 --slots "$slots" \
            --route-trace "$dir/routes" --cache-log "$dir/events"
        is "$model, slots $slots" 0 "evictions +[1-9]|tg16" ""
        if [ ! -e "$simulator" ] || ! python3 -c pass 2>/dev/null; then
            skip "$model, slots $slots: the simulator" "$simulator or python3 is absent"
            continue
        fi
        grep -q '"evict"' "$dir/events" && pass || fail "$model, slots $slots" "nothing was evicted"
        python3 "$simulator" check "$dir/routes" --slots "$slots" --events "$dir/events" >"$dir/out" 2>"$dir/err"
        status=$?
        is "$model, slots $slots: the simulator" 0 "^same: [1-9][0-9]* events" ""
    done
done

# Routes do not depend on the chunk.
for chunk in 1 7 32; do
    run bench "$golden/qwen3moe.gguf" -p 24 -n 16 -r 1 --no-warmup --chunk $chunk --route-trace "$dir/routes"
    is "chunk $chunk" 0 "tg16" ""
    [ $chunk -gt 1 ] || cp "$dir/routes" "$dir/first"
    cmp -s "$dir/first" "$dir/routes" && pass || fail "chunk $chunk" "other routes than row by row"
done

# What cannot be.
run bench "$golden/llama-tied.gguf" -p 4 -n 0 --route-trace "$dir/routes"
is "a dense model" 2 "" "llama-tied.gguf has no experts: --route-trace and --cache-log have nothing to tell"
run run "$golden/qwen3moe.gguf" -p x --cache-log "$dir/nowhere/events"
is "a folder that is not there" 1 "" "--cache-log .*/nowhere/events cannot be written: No such file or directory"

done_testing
