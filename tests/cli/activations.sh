# Recorded rows as files: what a reader of its own finds in them, the same bytes under every setting, what is refused, what a failure leaves.
. tests/cli/harness

g=$data/steering/steer-qwen3moe.gguf
touch "$dir/out" "$dir/err"
look() { # look WHAT FILE REGEX [TENSOR]
    "${data%/data}/tests/read_rows" "$2" ${4:-} >"$dir/out" 2>"$dir/err"
    tr -d ' ' <"$dir/out" | grep -Eq "$3" && pass || fail "$1" "$(cat "$dir/err") is not $3"
}
none_left() { # none_left WHAT: neither a file nor a part of one
    [ -z "$(ls "$dir" | grep -E '^(f|x)\.')" ] && pass || fail "$1" "$(ls "$dir")"
}

echo '1 2 3 4 5 6 7 8 9 10' >"$dir/ids"
act="activations $g --tokens $dir/ids --ctx 64"
f=$dir/f.safetensors

# ---- what a file holds ---------------------------------------------------------------------------------------------------------
run $act -o "$f"
is "a file" 0 "" "=$f: resid_post, layers all, 5 tensors; resid_post.0 f32 [10, 40]; 7.0 KiB"
look "all layers" "$f" '^qwen3moetokens:I32\[10\]resid_post\.0:F32\[10,40\].*resid_post\.3:F32\[10,40\]$' resid_post.0
look "ids" "$f" '^\(1,2,3,4,5,6\)$' tokens
cp "$f" "$dir/truth"
run $act --layers 1,3 --tensors router_ids,router_logits,ffn_out --from -4 --to -1 -o "$f"
look "layers, tensors, positions" "$f" 'router_logits\.1:F32\[3,12\]router_ids\.1:I32\[3,4\].*ffn_out\.3:F32\[3,40\]'
run $act --layers 2 --reduce top --top 3 -o "$f"
look "the largest" "$f" 'tokens:I32\[10\]resid_post\.2\.index:I32\[10,3\]resid_post\.2\.value:F32\[10,3\]$'
run $act --tensors router_ids --reduce count -o "$f"
look "experts are counted" "$f" 'router_ids\.0\.count:I32\[1,12\]'
run $act --layers 0 --reduce norm --dtype bf16 -o "$f"
look "norms" "$f" 'resid_post\.0\.norm:F32\[10\]$'
run $act --layers 0 --dtype bf16 -o "$f"
look "bf16" "$f" 'resid_post\.0:BF16\[10,40\]$'
run $act --layers 3 --tensors lens,final --top 4 -o "$f"
look "lens and final" "$f" 'lens_ids\.3:I32\[10,4\]lens_values\.3:F32\[10,4\]final:F32\[10,40\]$'
run $act --layers 2 -o "$dir/f.npy"
look "an array" "$dir/f.npy" '^npy<f41040$'
run $act --layers 2 --dtype f16 -o "$dir/f.npy"
look "an array of f16" "$dir/f.npy" '^npy<f21040$'
rm -f "$dir/f.npy"

# What API.md and --help tell about numpy, the same in both: where the array begins, and that its values are those of a file .npy.
run $act --layers 2-3 -o "$f"
run $act --layers 3 -o "$dir/layer3.npy"
n=$(od -An -t u8 -N 8 "$f" | tr -d ' ')
begin=$(tail -c +9 "$f" | head -c "$n" | sed -n 's/.*"resid_post.3":{[^}]*"data_offsets":\[\([0-9]*\),.*/\1/p')
tail -c +$((8 + n + begin + 1)) "$f" | head -c 1600 >"$dir/array"
tail -c 1600 "$dir/layer3.npy" | cmp -s - "$dir/array" && pass || fail "where an array begins" "not at 8 + $n + $begin"
sed -n '/^    import json, numpy$/,/^$/s/^    //p' docs/API.md | grep -E '^(f|t|x) = ' | sed 's/rows\.safe/acts.safe/' >"$dir/api"
"$stoker" activations --help | grep -E '^  (f|t|x) = ' | sed 's/^  //' | cmp -s - "$dir/api" && pass || fail "numpy" "--help and API.md differ"
grep -q "8 + n + t\['data_offsets'\]\[0\]" "$dir/api" && pass || fail "numpy" "an array is said to begin elsewhere"
rm -f "$dir/array" "$dir/api" "$dir/layer3.npy" "$f"

# Products with the directions of a vector: of the layers that it has. The numbers are those of an independent sum in f64.
run $act --reduce dot --vector "$data/steering/steer-qwen3moe.a.gguf" -o "$f"
is "products" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
look "products" "$f" 'tokens:I32\[10\]resid_post\.1\.dot:F32\[10\]resid_post\.2\.dot:F32\[10\]resid_post\.3\.dot:F32\[10\]$'
look "products of layer 2" "$f" '^\(-30\.6233[0-9]*,-30\.0955[0-9]*,-21\.7250[0-9]*,' resid_post.2.dot

# Features of an autoencoder: alone, or beside other tensors. Their numbers: tests/capture.c.
sae=$data/steering/steer-qwen3moe.sae
run $act --sae "$sae" --top 20 -o "$f"
is "features" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
look "features" "$f" 'tokens:I32\[10\]sae_ids\.2:I32\[10,20\]sae_values\.2:F32\[10,20\]$'
grep -qa '"sae":"[0-9a-f]\{64\}"' "$f" && pass || fail "the autoencoder's name" "not in the header"
run $act --sae "$sae" --top 20 --chunk 3 --threads 2 -o "$dir/again.safetensors"
cmp -s "$f" "$dir/again.safetensors" && pass || fail "features in chunks" "other bytes"
rm -f "$dir/again.safetensors"
run $act --sae "$sae" --tensors resid_post --layers 2 -o "$f"
look "features and rows" "$f" 'tokens:I32\[10\]resid_post\.2:F32\[10,40\]sae_ids\.2:I32\[10,10\]sae_values\.2:F32\[10,10\]$'
rm -f "$f"
run $act --sae "$sae" --reduce mean -o "$f"
is "features, reduced" 2 "" 'features are the largest of a row already'
run $act --sae "$data/steering/steer-llama-tied.sae" -o "$f"
is "an autoencoder of another model" 2 "" 'it is of rows of 64 values'

# A corpus: windows, the rows of each at their place; one window of it has the bytes of that window alone.
run $act --layers 2 -o "$dir/whole.safetensors"
tr ' ' '\n' <"$dir/ids" | head -n 7 | tr '\n' ' ' >"$dir/seven"
printf 'What is 9 + 4? What is the KV cache? What is an expert?' >"$dir/corpus"
run activations "$ember" --text "$dir/corpus" --window 8 --parallel 2 --layers 3 -o "$f"
is "a corpus" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
look "which window" "$f" '^\(0,0,0,0,0,0\)$' sequence
look "where in it" "$f" '^\(0,1,2,3,4,5\)$' position
cp "$f" "$dir/two"
run activations "$ember" --text "$dir/corpus" --window 8 --max-tokens 16 --from 6 --layers 3 --reduce norm -o "$f"
look "the ends of two windows" "$f" '^\(0,0,1,1\)$' sequence
look "where they are" "$f" '^\(6,7,6,7\)$' position
look "rows of both" "$f" '^\([1-9][0-9.]*,[1-9][0-9.]*,[1-9][0-9.]*,[1-9][0-9.]*\)$' resid_post.3.norm
run activations "$ember" --text "$dir/corpus" --window 8 --parallel 1 --threads 1 --chunk 3 --layers 3 -o "$f"
cmp -s "$f" "$dir/two" && pass || fail "a corpus" "depends on --parallel"

# What tells the list that steered: the digest of all windows, or, where their ends make them differ, one of those of all.
told() { # told RANGE ARGUMENT...: the digest in the file's metadata
    range=$1
    shift
    run activations "$ember" --layers 3 --control-vector "$data/steering/ember/ablate.gguf" --steer "[{\"vector\":0,$range}]" -o "$f" "$@"
    LC_ALL=C sed -n 's/.*"steer":"\([0-9a-f]*\)".*/\1/p' "$f" | head -n 1
}
for k in 8 6; do seq 40 $((39 + k)) | tr '\n' ' ' >"$dir/$k.ids"; done
each='"from":-1' absolute='"from":2'
windows="--text $dir/corpus --window 8 --max-tokens 14"
of_all=$(printf '%s\0%s\0' "$(told "$each" --tokens "$dir/8.ids")" "$(told "$each" --tokens "$dir/6.ids")" | sha256sum | cut -c 1-64)
[ "$(told "$each" $windows)" = "$of_all" ] && pass || fail "positions from the ends of windows" "told by $(told "$each" $windows)"
[ "$(told "$absolute" $windows)" = "$(told "$absolute" --tokens "$dir/6.ids")" ] && pass || fail "positions from the beginning" "are told otherwise"

# A source is a part of the plan, with all that reading it takes: the text beside its tokens, of which a million take 6 MB with 2 MB of text.
# It takes half of --memory at most.
least() { "$stoker" activations "$ember" "$@" --layers 3 -o "$f" --memory 30M 2>&1 | sed -n 's/.*Try --memory \([0-9]*\)MiB.*/\1/p'; } # in MiB
awk 'BEGIN { for (i = 0; i < 1000000; i++) printf "a " }' >"$dir/long"
awk 'BEGIN { for (i = 0; i < 20000; i++) { printf "\""; for (k = 0; k < 50; k++) printf "a "; print "\"" } }' >"$dir/long.jsonl"
short=$(least --text "$dir/corpus")
for how in "--text $dir/long" "--text $dir/long.jsonl" "--file $dir/long" "--file $dir/long --chat"; do
    [ "$(least $how)" -ge $((short + 5)) ] && pass || fail "$how in the plan" "$short and $(least $how) MiB"
    for memory in 3M 8M; do # where the text is too much, and where its tokens are
        [ "$how" != "--file $dir/long --chat" ] || memory=3M
        run activations "$ember" $how --layers 3 -o "$f" --memory $memory
        is "$how and $memory" 1 "" 'long[.jsonl]*: reading it takes more than half of --memory: give more memory, or a text in parts$'
    done
done
run $act --memory 10 -o "$f"
is "ids above half of --memory" 1 "" 'ids: reading it takes more than half of --memory: give more memory, or a text in parts$'
# A message becomes tokens when there is a plan, which has what that may take: most where all is one word. A template that says it ten times
# takes more.
awk 'BEGIN { for (i = 0; i < 1000000; i++) printf "%c", 97 + (i * i + i / 7) % 26 }' >"$dir/word"
more=$(($(least --file "$dir/word" --chat) - short))
[ $more -ge 49 ] && [ $more -le 61 ] && pass || fail "a message in the plan" "$more MiB more"
run activations "$ember" --file "$dir/word" --chat --max-tokens 4 --layers 3 -o "$f" --memory $((short + more))M
is "a message of one word" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
again=$dir/again.gguf key=tokenizer.chat_template
at=$(LC_ALL=C grep -obUa "$key" "$ember" | head -n 1 | cut -d: -f1) && cp "$ember" "$again" && chmod u+w "$again" &&
    printf '{%% for i in range(10) %%}{{ messages[0].content }}{%% endfor %%}{#' | dd of="$again" bs=1 seek=$((at + ${#key} + 12)) conv=notrunc 2>/dev/null
run activations "$again" --file "$dir/word" --chat --max-tokens 4 --layers 3 -o "$f" --memory $((short + more))M
is "a message ten times" 1 "" 'word: in the model.s chat format it takes more than is planned for it: give a shorter text$'

# Sums of more windows than there is memory for: they take turns.
run activations "$ember" --text "$dir/corpus" --window 4 --reduce mean -o "$f"
cp "$f" "$dir/means"
run activations "$ember" --text "$dir/corpus" --window 4 --reduce mean --parallel 8 --capture-memory 64k -o "$f"
is "windows take turns" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
cmp -s "$f" "$dir/means" && pass || fail "windows take turns" "other bytes"

# Texts that are too short for --from have no rows, wherever they stand; the others have theirs at their place.
printf '"What is the KV cache?"\n"a"\n"b"\n"What is an expert?"\n"c"\n' >"$dir/corpus.jsonl"
run activations "$ember" --text "$dir/corpus.jsonl" --window 16 --from 2 --to 3 --layers 3 --reduce norm -o "$f"
is "texts without rows" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
look "texts with rows" "$f" '^\(0,3\)$' sequence
look "rows of texts" "$f" '^\([1-9][0-9.]*,[1-9][0-9.]*\)$' resid_post.3.norm

# A last window that is too short for --from has no row; a second run that writes the same file is told; a link is not followed.
run activations "$ember" --text "$dir/corpus" --window 8 --from 7 --layers 3 -o "$f"
is "a window without rows" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
look "windows with rows" "$f" '^\(0(,[0-9]+)*\)$' sequence
(flock 9 && run $act -o "$f" && is "a file that is being written" 1 "" 'f.safetensors.part is being written by another run: ' && echo done >"$dir/locked") 9>"$f.part"
[ -e "$dir/locked" ] && pass || fail "a file that is being written" "was written twice"
rm -f "$f.part" && echo kept >"$dir/other" && ln -s "$dir/other" "$f.part"
run $act -o "$f"
is "a link" 1 "" 'cannot be written: '
grep -q '^kept$' "$dir/other" && pass || fail "a link" "was followed"
rm -f "$f.part"

# ---- the same bytes -------------------------------------------------------------------------------------------------------------
for how in "--threads 1" "--threads 2 --chunk 3" "--cpu-tier scalar" "--memory min --chunk 1" "--capture-memory 64k"; do
    run $act $how -o "$f"
    cmp -s "$f" "$dir/truth" && pass || fail "$how" "other bytes"
done

# An answer that ends early: the file is as long as what was computed.
run activations "$ember" -p 'What is 9 + 4?' --chat -n 200 --layers 3 -o "$f"
is "an answer" 0 "" "^[^ ]+: .*, layers .* tensors?; .* \[[0-9, ]+\]; [0-9.]+ [KMi]*B$"
look "an answer that ends early" "$f" 'tokens:I32\[[1-9][0-9]?\]resid_post\.3:F32\[[1-9][0-9]?,'

# ---- dumps of llama.cpp ---------------------------------------------------------------------------------------------------------
dump=$dir/dump.bin # version 1, rows of 2, layer 3: 1 2, 3 4, -1 0.5
printf 'ACTV\001\0\0\0\002\0\0\0\003\0\0\0' >"$dump"
printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100\0\0\200\277\0\0\0\077' >>"$dump"
run activations convert "$dump" -o "$f"
is "a dump" 0 "" "^$f: resid_post\.[0-9]+ f32 \[[0-9]+, [0-9]+\]$"
look "a dump" "$f" 'resid_post\.3:F32\[3,2\]$'
look "its rows" "$f" '^\(1,2,3,4,-1,0\.5\)$' resid_post.3
rm -f "$f"
i=0
while [ $i -lt 40 ]; do # truncated anywhere it is refused, or has fewer rows
    head -c $i "$dump" >"$dir/cut.bin"
    run activations convert "$dir/cut.bin" -o "$f"
    case $i in
    24 | 32) [ $status = 0 ] && rm "$f" && pass || fail "a dump of $i bytes" "$(cat "$dir/err")" ;;
    *) is "a dump of $i bytes" 1 "" 'cut.bin ' ;;
    esac
    i=$((i + 1))
done
for bad in 'ACTW\001\0\0\0\002\0\0\0\003\0\0\0' 'ACTV\002\0\0\0\002\0\0\0\003\0\0\0' 'ACTV\001\0\0\0\0\0\0\0\003\0\0\0' \
    'ACTV\001\0\0\0\377\377\377\377\003\0\0\0' 'ACTV\001\0\0\0\002\0\0\0\377\377\377\377'; do
    printf "$bad\0\0\0\0\0\0\0\0" >"$dir/bad.bin"
    run activations convert "$dir/bad.bin" -o "$f"
    is "a dump of $bad" 1 "" 'bad.bin '
done
run activations convert "$dir" -o "$f"
is "a folder" 1 "" 'no dump'
run activations convert "$dump" -o "$dir/f.npy"
is "a dump as an array" 2 "" 'OUT.safetensors'
run activations convert -o "$f"
is "no dump" 2 "" 'needs a dump'
none_left "dumps that are refused"
cp "$dump" "$dir/large.bin"
truncate -s $((16 + (1 << 30))) "$dir/large.bin"
"$stoker" activations convert "$dir/large.bin" -o "$f" >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for 10 [ -e "$f.part" ]
kill -TERM $pid
wait $pid
status=$?
is "a dump that is not waited for" 130 "" ""
none_left "a dump that is not waited for"
rm -f "$dir/large.bin"

# ---- refused --------------------------------------------------------------------------------------------------------------------
rm -f "$f"
run $act --tensors resid -o "$f"
is "an unknown tensor" 2 "" 'there is no "resid"; possible are resid_pre, '
run $act --layers 4 -o "$f"
is "a layer too many" 2 "" 'the model has layers 0 to 3'
run $act --layers 1, -o "$f"
is "a comma behind the layers" 2 "" 'stoker activations: --layers 1,: numbers and ranges'
run activations "$data/steering/steer-llama-tied.gguf" --tokens "$dir/ids" --ctx 64 --layers 1 --tensors router_ids -o "$f"
is "no router there" 1 "" 'layer 1 has no router_ids'
run $act --tensors resid_post,router_ids --reduce count -o "$f"
is "a sum of what is no number of experts" 2 "" 'only router_ids are counted'
run $act --from 7 --to 7 -o "$f"
is "no position" 2 "" 'leave no position'
run $act -o "$dir/x.npy"
is "four tensors" 2 "" 'a .npy file holds one tensor, and 4 are asked for'
run $act --layers 1 --dtype bf16 -o "$dir/x.npy"
is "an array of bf16" 2 "" 'numpy has no bf16'
run $act -o "$dir/x.bin"
is "another ending" 2 "" '\.safetensors or \.npy'
run $act -p Hi -o "$f"
is "two sources" 2 "" 'one source is needed'
run $act --capture-memory 2k -o "$f"
is "little memory" 2 "" 'bytes of memory, and .*raise --capture-memory'
run $act --reduce dot -o "$f"
is "products with nothing" 2 "" 'needs --vector FILE'
run $act --vector "$data/steering/steer-qwen3moe.a.gguf" -o "$f"
is "a vector for nothing" 2 "" 'of no use to another'
run $act --layers 0 --reduce dot --vector "$data/steering/steer-qwen3moe.a.gguf" -o "$f"
is "a layer without a direction" 1 "" 'layer 0 has no direction in the vector'
run $act --reduce dot --vector "$data/steering/ember/ablate.gguf" -o "$f"
is "a vector of another width" 2 "" '256'
run $act --reduce dot --vector "$dir/absent.gguf" -o "$f"
is "no vector" 1 "" 'absent.gguf'
run $act --layers 1 -o "$dir/no/such/x.npy"
is "no such folder" 1 "" 'No such file'
run plan "$g" --json
grep -Eq '"capture": ?0' "$dir/out" && pass || fail "the plan" "has no part capture"
run plan "$g" --json --capture-memory 1M
grep -Eq '"capture": ?1[0-9]{6}' "$dir/out" && pass || fail "the plan" "is without --capture-memory"
none_left "what is refused"

# ---- failures leave nothing ------------------------------------------------------------------------------------------------------
for k in 1 2 3 5 8; do
    (ulimit -f "$k"; exec "$stoker" $act -o "$f") >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    is "a file that may have $k blocks" 1 "" 'File too large'
done
none_left "files that may not grow"
i=0 left=
while [ $i -lt 20 ]; do
    i=$((i + 1))
    "$stoker" $act --chunk 1 -o "$f" </dev/null >/dev/null 2>&1 &
    pid=$!
    sleep "0.0$((i * 4 % 10))$i"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ ! -e "$f" ] || cmp -s "$f" "$dir/truth" || left="$left $i"
    rm -f "$f" "$f.part"
done
[ -z "$left" ] && pass || fail "a process that is killed" "leaves part of a file under its name:$left"
done_testing
