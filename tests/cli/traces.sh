# Routes and the cache's decisions as files: the engine's log equals the simulator's for the same
# routes (tools/cache_events.sh).
. tests/cli/harness

# 24 prompt rows and 16 decoded ones, row by row.
for case in "qwen3moe 8 12 20" "qwen2moe 6 9 12" "mixtral 6 8 11" "ember 6 30 55"; do
    set -- $case
    model=$1
    shift
    file=$golden/$model.gguf
    [ -e "$file" ] || file=$ember
    for slots; do
        run bench "$file" -p 24 -n 16 -r 1 --no-roofs --no-warmup --chunk 1 --slots "$slots" \
            --route-trace "$dir/routes" --cache-log "$dir/events"
        is "$model, slots $slots" 0 "evictions +[1-9]|tg16" ""
        grep -q '"evict"' "$dir/events" && pass || fail "$model, slots $slots" "nothing was evicted"
        tr -d ' ' <"$data/traces/$model.$slots.events" >"$dir/rules"
        diff "$dir/rules" "$dir/events" >"$dir/out" 2>"$dir/err"
        status=$?
        is "$model, slots $slots: the simulator" 0 "" ""
    done
done

# Routes do not depend on the chunk.
for chunk in 1 7 32; do
    run bench "$golden/qwen3moe.gguf" -p 24 -n 16 -r 1 --no-roofs --no-warmup --chunk $chunk --route-trace "$dir/routes"
    is "chunk $chunk" 0 "tg16" ""
    [ $chunk -gt 1 ] || cp "$dir/routes" "$dir/first"
    cmp -s "$dir/first" "$dir/routes" && pass || fail "chunk $chunk" "other routes than row by row"
done

# Routes from a file: 3 steps, the first a prompt's; 2 layers of 3 experts at most; 255: none.
trace() { # trace HEAD PAYLOAD (octal): $dir/forced
    length=$(printf %s "$1" | wc -c)
    printf 'STRT1\n%b%s%b' "$(printf '\\0%03o\\0%03o\\0000\\0000' $((length % 256)) $((length / 256)))" "$1" "$2" >"$dir/forced"
}
head='{"layers":[0,1],"n_expert":12,"k":3,"id_bytes":1,"comp":"raw","n_prompt":1,"n_step":3}'
steps='\0001\0002\0377 \0013\0000\0012 \0003\0377\0377 \0011\0001\0002 \0005\0004\0003 \0377\0377\0377'
payload=$(printf %s "$steps" | tr -d ' ')
trace "$head" "$payload"
told='^routes [a-z]+: [0-9]+ positions, layers 0-[12], sha256 [0-9a-f]{16}$'
ids() { tail -c "$2" "$1" | od -An -v -tu1 -w4 | tr -s ' ' | tr '\n' ';'; } # a line a layer of a row
for chunk in 1 7; do
    run bench "$golden/qwen3moe.gguf" -p 0 -n 5 -r 1 --no-roofs --no-warmup --chunk $chunk --routes "$dir/forced" --route-trace "$dir/routes"
    is "forced routes" 0 "tg5" "$told"
    # 6 rows: steps 0, 1, 2, then 1 and 2 again; a layer without routes chooses itself
    again='3 255 255 255; 9 1 2 255; 5 4 3 255;( [0-9]+){4};'
    want="^ 1 2 255 255; 11 0 10 255; $again $again 3 255 255 255; 9 1 2 255;\$"
    ids "$dir/routes" 48 >"$dir/out"
    is "the routes that were forced" 0 "$want" "$told"
done
run bench "$golden/qwen3moe.gguf" -p 40 -n 0 -r 1 --no-roofs --no-warmup --route-trace "$dir/first"
run bench "$golden/qwen3moe.gguf" -p 40 -n 0 -r 1 --no-roofs --no-warmup --routes "$dir/first" --route-trace "$dir/routes"
is "its own routes again" 0 "pp40" "$told"
[ "$(ids "$dir/first" 320)" = "$(ids "$dir/routes" 320)" ] && pass || fail "its own routes again" "others"

# Layers with fewer experts than others: 3, 6 and 4 of 6, the first of which goes by tokens.
fewer='{"layers":[0,1,2],"n_expert":6,"k":2,"id_bytes":1,"comp":"raw","n_prompt":1,"n_step":2}'
trace "$fewer" '\0002\0000\0005\0004\0003\0001\0001\0377\0000\0377\0003\0377'
run bench "$golden/deepseek4-fewer.gguf" -p 0 -n 3 -r 1 --no-roofs --no-warmup --routes "$dir/forced" --route-trace "$dir/routes"
is "fewer experts, forced routes" 0 "tg3" "$told"
tail -c 24 "$dir/routes" | od -An -v -tu1 -w6 | tr -s ' ' | tr '\n' ';' >"$dir/out"
is "fewer experts, the routes that were forced" 0 "^ 2 0 5 4 3 1;( 1 255 0 255 3 255;){3}\$" "$told"
for beyond in '\0003\0000\0005\0004\0003\0001' '\0002\0000\0005\0004\0004\0001'; do
    trace "$fewer" "$beyond"'\0001\0377\0000\0377\0003\0377'
    run bench "$golden/deepseek4-fewer.gguf" -p 0 -n 3 -r 1 --no-roofs --no-warmup --routes "$dir/forced"
    is "fewer experts, one beyond them" 1 "" "it names an expert that a layer of the model does not have"
done

refused() { # refused WHAT PATTERN STATUS
    run bench "$golden/qwen3moe.gguf" -p 0 -n 2 -r 1 --no-roofs --routes "$dir/forced"
    is "$1" "${3-1}" "" "$2"
}
five='\0000\0001\0002\0003\0004'
with() { trace "$(printf %s "$head" | sed "s/$1/$2/")" "${3-$payload}"; }
with '"k":3' '"k":5' "$five$five$five$five$five$five" && refused "more experts a token" "does not fit .*: it has 12 experts, 2 layers, 5 experts a token; the model 12, 2 and 4" 2
with '"n_expert":12' '"n_expert":13' && refused "other experts" "does not fit" 2
with '0,1' '0' '\0001\0002\0377\0003\0377\0377\0005\0004\0003' && refused "fewer layers" "does not fit" 2
with '"n_step":3' '"n_step":4' && refused "more steps than the file has" "its payload is not what the header says"
with '"n_step":3' '"n_step":2147483647' && refused "absurd steps" "are absent or absurd"
with '"n_expert":12,' '' && refused "no n_expert" "its counts .n_expert, .* are absent or absurd"
with '"n_step":3' '"n_step":-3' && refused "negative steps" "are absent or absurd"
with '"comp":"raw"' '"comp":"zlib"' && refused "a payload that is not zlib" "its payload is not what the header says"
with x x "$(printf %s "$payload" | sed 's/0002/0014/')" && refused "an expert that is not there" "names an expert twice, or one that is not there"
with x x "$(printf %s "$payload" | sed 's/0002/0001/')" && refused "an expert twice" "names an expert twice"
with '{' '[' && refused "no JSON" "its header is no JSON"
printf 'STRT1\n\377\377\377\377{}' >"$dir/forced" && refused "a header longer than the file" "longer than the file"
: >"$dir/forced" && refused "an empty file" "not a trace of routes, which begins with STRT1"
rm "$dir/forced" && refused "no file" "cannot be opened: No such file"

# Traces that are refused.
run bench "$golden/qwen3moe.gguf" -p 4 -n 4 --no-roofs --draft ngram --route-trace "$dir/routes"
is "rows of drafts" 2 "" "--route-trace and --draft exclude each other: leave one of them out"
run bench "$golden/qwen3moe.gguf" -p 4 -n 4 --no-roofs --draft ngram --cache-log "$dir/events"
is "the cache beside drafts" 2 "" "--cache-log and --draft exclude each other: leave one of them out"
run bench "$golden/qwen3moe.gguf" -p 4 -n 4 -r 1 --no-roofs --draft auto --draft-max 4 --route-trace "$dir/routes" --cache-log "$dir/events" -o jsonl
is "no drafts are worth a trace" 0 "." ""
grep -q '"drafted_tokens":[1-9]' "$dir/out" && fail "no drafts are worth a trace" "some are made" || pass
run bench "$golden/llama-tied.gguf" -p 4 -n 0 --no-roofs --route-trace "$dir/routes"
is "a dense model" 2 "" "llama-tied.gguf has no experts: --route-trace and --cache-log have nothing to tell"
run run "$golden/qwen3moe.gguf" -p x --cache-log "$dir/nowhere/events"
is "a folder that is not there" 1 "" "--cache-log .*/nowhere/events cannot be written: No such file or directory"

done_testing
