# Features of sparse autoencoders: what is told of two kinds of prompts, what is the same under every setting, features as control vectors,
# what is refused.
. tests/cli/harness

model=$data/steering/steer-llama-tied.gguf sae=$data/steering/steer-llama-tied.sae
f=$dir/f.gguf
printf 'abc\n\nthe cat\nx\\n\n' >"$dir/a"
printf 'xyz\n12 34\n' >"$dir/b"
texts="--positive $dir/a --negative $dir/b"
try="sae features $model --sae $sae --exact --kv f32 --ctx 64 $texts"

# ---- what is told ------------------------------------------------------------------------------------------------------------------
run $try --json --top 256
is "as JSON" 0 '^(\{"feature":[0-9]+,"positive":[0-3],"negative":[0-2],"share_positive":(0|1|0\.[0-9]+),"share_negative":(0|1|0\.5),"mean_positive":[0-9.e-]+,"mean_negative":[0-9.e-]+,"difference":-?[0-9.e-]+\})+$' ""
cp "$dir/out" "$dir/truth"
# 8 of each prompt are active: of topk with k 8
[ "$(sed 's/.*"positive":\([0-9]*\),"negative":\([0-9]*\).*/\1 \2/' "$dir/truth" | awk '{p += $1; n += $2} END {print p, n}')" = "24 16" ] &&
    pass || fail "how many are active" "$(cat "$dir/truth")"
awk -F'[:,}]' '{d = $NF == "" ? $(NF - 1) : $NF; d = d < 0 ? -d : d; if (NR > 1 && d > last) bad = 1; last = d} END {exit bad}' "$dir/truth" &&
    pass || fail "the order" "not descending"
for how in "--cpu-tier scalar" "--threads 2" "--chunk 1" "--memory min" "--parallel 3"; do
    run $try --json --top 256 $how
    cmp -s "$dir/out" "$dir/truth" && pass || fail "the same with $how" "$(diff "$dir/out" "$dir/truth" | head -3)"
done
# Over all positions: the mean of what is recorded of each, where another program reads it.
column() { # column FILE TENSOR TYPE: its numbers, a line each
    at=$(($(od -An -tu8 -N8 "$1") + 8))
    from=$(head -c $at "$1" | LC_ALL=C sed -n 's/.*"'"$2"'":{[^}]*"data_offsets":\[\([0-9]*\),\([0-9]*\)\].*/\1 \2/p')
    od -An -v -w4 "-t$3" -j $((at + ${from% *})) -N $((${from#* } - ${from% *})) "$1"
}
printf 'the cat sat\n' >"$dir/one"
printf 'x' >"$dir/other"
run activations "$model" --exact --kv f32 --ctx 64 -p 'the cat sat' --sae "$sae" --top 256 -o "$dir/rows.safetensors"
column "$dir/rows.safetensors" sae_ids.2 d4 >"$dir/ids"
column "$dir/rows.safetensors" sae_values.2 f4 | paste "$dir/ids" - |
    awk '$1 >= 0 { sum[$1] += $2; n++ } END { for (j in sum) printf "%d %.9g\n", j, sum[j] / (NR / 256); exit !n }' | sort -n >"$dir/wanted"
run sae features "$model" --sae "$sae" --exact --kv f32 --ctx 64 --positive "$dir/one" --negative "$dir/other" --json --top 256 --positions mean
sed -n 's/.*"feature":\([0-9]*\),"positive":1,.*"mean_positive":\([^,]*\),.*/\1 \2/p' "$dir/out" | sort -n >"$dir/told"
[ -s "$dir/wanted" ] && paste "$dir/wanted" "$dir/told" |
    awk '{ d = $2 - $4; if ($1 != $3 || d > 1e-6 * $2 || d < -1e-6 * $2) exit 1 }' && [ "$(wc -l <"$dir/wanted")" -gt 8 ] && pass ||
    fail "over all positions" "$(diff "$dir/wanted" "$dir/told" | head -4)"
run $try --json --top 256 --positions mean
is "over all positions" 0 . ""
cp "$dir/out" "$dir/mean"
for how in "--threads 2" "--chunk 1" "--memory min" "--parallel 2" "--parallel 5"; do
    run $try --json --top 256 --positions mean $how
    cmp -s "$dir/out" "$dir/mean" && pass || fail "the mean with $how" "$(diff "$dir/out" "$dir/mean" | head -3)"
done
run $try --top 3
is "a table" 0 '^feature +difference +positive +negative +mean \+ +mean -$' ""
[ "$(grep -cE '^ +[0-9]+ +-?[0-9.e-]+ +[01]\.[0-9]{3} +[01]\.[0-9]{3} +[0-9.e-]+ +[0-9.e-]+$' "$dir/out")" = 3 ] && pass || fail "its lines" "$(cat "$dir/out")"
cp -r "$sae" "$dir/named" && chmod -R u+w "$dir/named"
first=$(sed -n '1s/.*"feature":\([0-9]*\),.*/\1/p' "$dir/truth")
printf '{"%s":"cats, \\"or\\"\\u001b so","9999":"none"}' "$first" >"$dir/named/labels.json"
run sae features "$model" --sae "$dir/named" --exact --kv f32 --ctx 64 $texts --json --top 2
sed -n 1p "$dir/out" | grep -q '"label":"cats, \\"or\\"\\u001B so"}$' && [ "$(grep -c label "$dir/out")" = 1 ] && pass || fail "a label as JSON" "$(cat "$dir/out")"
run sae features "$model" --sae "$dir/named" --exact --kv f32 --ctx 64 $texts --top 2
sed -n 2p "$dir/out" | grep -q '[0-9]  cats, "or". so$' && pass || fail "a label" "$(cat "$dir/out")"
echo '["cats"]' >"$dir/named/labels.json"
run sae features "$model" --sae "$dir/named" --ctx 64 $texts
is "labels that are none" 1 "" 'named/labels\.json: an object \{"NUMBER": "text"\} is expected$'
# What is counted of each feature, and what sorting them takes, is in the plan: 80 bytes each, beside the autoencoder itself.
zeros() { # zeros N: an autoencoder of N features, all zero
    s=$dir/zeros.$1 e=$(($1 * 128)) b=$(($1 * 2))
    mkdir "$s"
    head=$(printf '{"W_enc":{"dtype":"F16","shape":[64,%d],"data_offsets":[0,%d]},"b_enc":{"dtype":"F16","shape":[%d],"data_offsets":[%d,%d]},' $1 $e $1 $e $((e + b))
        printf '"W_dec":{"dtype":"F16","shape":[%d,64],"data_offsets":[%d,%d]},"b_dec":{"dtype":"F16","shape":[64],"data_offsets":[%d,%d]}}' $1 $((e + b)) $((2 * e + b)) $((2 * e + b)) $((2 * e + b + 128)))
    while [ $((${#head} % 8)) != 0 ]; do head="$head "; done
    printf '%b%s' "$(printf '\\0%03o\\0%03o\\0\\0\\0\\0\\0\\0' $((${#head} % 256)) $((${#head} / 256)))" "$head" >"$s/sae_weights.safetensors"
    truncate -s +$((2 * e + b + 128)) "$s/sae_weights.safetensors"
    echo '{"architecture":"topk","k":8,"apply_b_dec_to_input":true,"hook_name":"blocks.2.hook_resid_post"}' >"$s/cfg.json"
    "$stoker" sae features "$model" --sae "$s" --ctx 64 $texts --memory 8M 2>&1 | sed -n 's/.*Try --memory \([0-9]*\)MiB.*/\1/p' >"$s/least"
    "$stoker" plan "$model" --sae "$s" --ctx 64 --memory min --json | sed -n 's/.*"steer": *\([0-9]*\).*/\1/p' >"$s/alone"
}
zeros 1000 && zeros 100000
more=$(($(cat "$dir/zeros.100000/least") * 1048576 - $(cat "$dir/zeros.1000/least") * 1048576 - $(cat "$dir/zeros.100000/alone") + $(cat "$dir/zeros.1000/alone")))
[ $more -gt $((99000 * 64 - 1048576)) ] && [ $more -lt $((99000 * 64 + 1048576)) ] && pass || fail "counts of features in the plan" "$more bytes for 99,000 more"
cp -r "$sae" "$dir/bare" && chmod -R u+w "$dir/bare" && rm "$dir/bare/cfg.json"
run sae features "$data/steering/steer-gpt-oss.gguf" --sae "$dir/bare" --sae-arch topk:8 --sae-layer 2 --ctx 64 $texts
is "another model" 2 "" 'bare: it is of rows of 64 values, the model.s are 48'

# ---- features as control vectors ---------------------------------------------------------------------------------------------------
run sae features --sae "$sae" --export 34 -o "$f" --license MIT
is "a feature" 0 '^.*f\.gguf: add, layers 2-2, sha256 [0-9a-f]{16}\.\.$' ""
run inspect "$f"
is "what it says" 0 'steer-llama-tied' ""
run sae features --sae "$sae" --export 34:2,5:-0.5 -o "$dir/g.gguf"
is "two features" 0 'add, layers 2-2' ""
run sae features --sae "$sae" --export 34:0.5,34:0.5 -o "$dir/h.gguf" --name f --license MIT
"${data%/data}/tests/same_directions" "$f" "$dir/h.gguf" 1 0 >"$dir/out" && pass || fail "halves add up" "$(cat "$dir/out")"
run run "$model" --ctx 64 --control-vector-scaled "$f:3" -p abc -n 4 --temp 0
is "it steers" 0 . '^vector f: add, layers 2-2, licence MIT, made for steer-llama-tied'

# ---- features steer ----------------------------------------------------------------------------------------------------------------
# What adding a feature does is what its direction does as a control vector, bit for bit; only the digest of the list is another.
rows="activations $model --exact --kv f32 --ctx 64 -p abcdef --sae $sae --tensors final,resid_post"
add='[{"sae":"steer-llama-tied.sae","op":"add","feature":34,"value":3.5}]'
run sae features --sae "$sae" --export 34 -o "$dir/34.gguf"
run $rows -o "$dir/plain.safetensors"
run $rows --control-vector-scaled "$dir/34.gguf:3.5" -o "$dir/vector.safetensors"
run $rows --steer "$add" -o "$dir/feature.safetensors"
is "rows under a feature" 0 "" '^autoencoder steer-llama-tied\.sae: topk, layer 2, 256 features, made for steer-llama-tied, sha256 [0-9a-f]{16}$'
for file in plain vector feature; do LC_ALL=C sed -E 's/"steer":"[0-9a-f]{64}"//' "$dir/$file.safetensors" >"$dir/$file"; done
cmp -s "$dir/vector" "$dir/feature" && ! cmp -s "$dir/vector" "$dir/plain" && pass || fail "a feature and its vector" "other bits"
run $rows --control-vector-scaled "$dir/34.gguf:0" --steer '[{"sae":1,"op":"multiply","feature":34,"value":1}]' -o "$f.safetensors"
LC_ALL=C cmp -s "$f.safetensors" "$dir/plain.safetensors" && pass || fail "times 1" "changes something"
ln -s "$sae" "$dir/34"
run $rows --sae "$dir/34" --control-vector-scaled "$dir/34.gguf:0" --steer '[{"sae":"34","op":"add","feature":34,"value":3.5}]' -o "$dir/named.safetensors"
is "an autoencoder and a vector of one name" 0 "" '^autoencoder 34: '
ask="run $model --ctx 64 -p abc -n 6 --temp 0"
run $ask
cp "$dir/out" "$dir/plain"
run $ask --sae "$sae/" --steer '[{"sae":0,"op":"add","feature":34,"value":40}]'
is "run" 0 . '^autoencoder steer-llama-tied\.sae: '
! cmp -s "$dir/out" "$dir/plain" && pass || fail "run" "a feature changes nothing"
run plan "$model" --ctx 64 --json --sae "$sae"
is "its part of the plan" 0 '"steer": ?5[0-9]{6}' ""
run bench "$model" -p 8 -n 0 -r 1 --no-roofs --no-warmup --ctx 64 --sae "$sae" --steer "$add"
is "bench" 0 "pp8" '^autoencoder '
refused() { # refused WHAT LIST SENTENCE
    run $ask --sae "$sae" --steer "$2"
    is "$1" 2 "" "$3"
}
refused "another autoencoder" '[{"sae":"x","op":"add","feature":1,"value":1}]' '--steer: entry 0: no such autoencoder; --sae names its folder'
refused "its part of a name" '[{"sae":"steer-llama-tied","op":"add","feature":1,"value":1}]' 'no such autoencoder'
refused "no operation" '[{"sae":0,"feature":1,"value":1}]' '--steer: entry 0: .*op'
refused "an operation that there is not" '[{"sae":0,"op":"mul","feature":1,"value":1}]' 'op must be add, set or multiply'
refused "no value" '[{"sae":0,"op":"add","feature":1}]' '--steer: entry 0: .*value'
refused "a value that is a text" '[{"sae":0,"op":"add","feature":1,"value":"1"}]' 'feature must be a number from 0, value a number'
refused "a value too large" '[{"sae":0,"op":"add","feature":1,"value":1e7}]' 'the value is 1e\+07; from -1000000 to 1000000 is possible'
refused "a feature too many" '[{"sae":0,"op":"add","feature":256,"value":1}]' 'feature 256; steer-llama-tied.sae has features 0 to 255'
refused "a feature with layers" '[{"sae":0,"op":"add","feature":1,"value":1,"layers":[2,2]}]' '--steer: entry 0: .*layers'
refused "an autoencoder as a vector" '[{"vector":0}]' 'is an autoencoder: name a feature of it'
refused "of a longer list" '[{"sae":0,"op":"add","feature":1,"value":1},{"sae":0,"op":"add","feature":256,"value":1}]' '^stoker: --steer: entry 1: feature 256; '
refused "a position behind the context" '[{"sae":0,"op":"add","feature":1,"value":1,"from":65}]' '^stoker: --steer: entry 0: "from" is position 65; the context has 64'
run $ask --sae "$sae" --steer '[{"sae":0,"op":"add","feature":1,"value":0},{"sae":0,"op":"add","feature":1,"value":1,"from":-9}]'
tail -n 1 "$dir/err" | grep -Eq '^stoker: --steer: entry 1: "from" is position -[0-9]+; the context has 64' && pass || fail "a position before a short prompt" "is not told"
run $ask --sae "$dir/bare" --sae-arch topk:8 --sae-layer 2 --steer '[{"sae":"bare","op":"add","feature":34,"value":40}]'
cp "$dir/out" "$dir/of_bare"
run $ask --sae "$sae" --steer '[{"sae":0,"op":"add","feature":34,"value":40}]'
cmp -s "$dir/out" "$dir/of_bare" && pass || fail "a folder without cfg.json" "steers otherwise"
run $rows -o "$dir/cfg.safetensors"
run activations "$model" --exact --kv f32 --ctx 64 -p abcdef --sae "$dir/bare" --sae-arch topk:8 --sae-layer 2 --tensors final,resid_post -o "$dir/bare.safetensors"
for file in cfg bare; do tail -c 2000 "$dir/$file.safetensors" >"$dir/$file.tail"; done
[ -s "$dir/bare.tail" ] && cmp -s "$dir/cfg.tail" "$dir/bare.tail" && pass || fail "its features" "other bytes"
run plan "$model" --ctx 64 --json --sae "$dir/bare" --sae-arch topk:8 --sae-layer 2
is "its part of the plan" 0 '"steer": ?5[0-9]{6}' ""
run $ask --sae "$dir/bare" --sae-arch topk:8 --steer "$add"
is "a form without a layer" 2 "" '--sae-arch and --sae-layer belong together'
run $ask --sae-arch topk:8 --sae-layer 2
is "a form of no folder" 2 "" 'to a folder of --sae without cfg.json'
run $ask --sae "$sae" --sae-arch topk:9 --sae-layer 2 --steer "$add"
is "not what cfg.json says" 2 "" 'cfg.json: it is of topk:8, and --sae-arch says topk:9'
run $ask --sae "$sae"
is "no feature is named" 2 "" '--sae: which feature, and what is done to it'
run $ask --sae "$data/steering/steer-qwen3moe.sae" --steer "$add"
is "named by another folder" 2 "" 'no such autoencoder'
run $ask --sae "$data/steering/steer-qwen3moe.sae" --steer '[{"sae":0,"op":"add","feature":1,"value":1}]'
is "for another model" 2 "" 'are 64 in 1 streams: it is for another model'
run $ask --sae "$dir" --steer "$add"
is "no autoencoder" 2 "" 'no such autoencoder'

# ---- refused -----------------------------------------------------------------------------------------------------------------------
rm -f "$f"
run sae
is "nothing" 2 "" 'see stoker sae --help'
run sae features "$model" $texts
is "no autoencoder" 2 "" '--sae: which folder\?'
run sae features "$model" --sae "$sae" --positive "$dir/a"
is "one kind" 2 "" '--positive and --negative'
run $try -o "$f"
is "a file without features" 2 "" '-o: with --export'
run sae features --sae "$sae" --export 34
is "features without a file" 2 "" '-o OUT.gguf: where to\?'
for bad in '' x 34, 34,,5 34:x 34:nan 34:1001 -1 34:; do
    run sae features --sae "$sae" --export "$bad" -o "$f"
    is "--export '$bad'" 2 "" 'stoker sae features: --export'
done
run sae features --sae "$sae" --export 256 -o "$f"
is "a feature too many" 2 "" 'features 0 to 255'
run $try --sae-arch topk:8
is "a form without a layer" 2 "" 'belong together'
for form in "standard 2 --sae-arch" "topk:9 2 --sae-arch" "topk:8 1 --sae-layer"; do
    set -- $form
    run $try --sae-arch "$1" --sae-layer "$2"
    is "not what cfg.json says: $1, layer $2" 2 "" "cfg.json: it is of .*, and $3 says"
done
run sae features "$model" --sae "$dir" $texts
is "a folder of something else" 1 "" 'no autoencoder: it has neither'
run sae features "$model" --sae "$dir/bare" $texts
is "a folder without cfg.json" 1 "" 'cfg.json: cannot be opened'
run sae features "$model" --sae "$dir/bare" --sae-arch topk --sae-layer 2 $texts
is "a form that there is not" 2 "" 'standard, jumprelu, or as in topk:32'
[ ! -e "$f" ] && pass || fail "a refused vector" "is there"
done_testing
