# inspect and plan: what they show of files whose contents we know.
. tests/cli/harness

run inspect "$golden/qwen3moe.gguf"
cat >"$dir/want" <<END
$golden/qwen3moe.gguf: GGUF version 3, 333.6 KiB, alignment 32
END
grep -qxF "$(cat "$dir/want")" "$dir/out" && pass || fail "inspect" "the first line is not $(cat "$dir/want")"
while IFS= read -r line; do
    grep -Eq "$line" "$dir/out" && pass || fail "inspect" "no line $line"
done <<'END'
^  architecture qwen3moe, .* 2 layers, 27 tensors \(--tensors\), [0-9]+ keys \(--metadata\)$
^  qwen3moe\.expert_count +12$
^  tokenizer gpt2 .*264 tokens
^embedding +1 .* f32$
^experts +6 .* f32$
^f32 +27 .* 100\.0 %  (scalar|avx2|avxvnni|avx512)$
^experts: 2 layers, .* in all; a token uses 4 in each: 
^  class 1: 2 layers \(0 to 1\), 12 experts of [0-9]+ bytes: down [0-9]+ f32, gate [0-9]+ f32, up [0-9]+ f32$
^  in the file they begin at multiples of [0-9]+ bytes$
END
run inspect "$golden/qwen3moe.gguf" --tensors
is "--tensors" 0 "^token_embd\.weight +f32 +40 x 264 +42240 +[0-9]+$" ""
[ "$(wc -l <"$dir/out")" -eq 28 ] && pass || fail "--tensors" "not 27 tensors and a head"
run inspect "$golden/qwen3moe.gguf" --metadata
is "--metadata" 0 "^  general\.architecture +qwen3moe$" ""
grep -Eq '^  tokenizer\.ggml\.tokens +\[.*, \.\.\. \(264 of kind string\)\]$' "$dir/out" && pass || fail "--metadata" "tokens are not shortened"
run inspect "$golden/qwen3moe.gguf" --json
is "--json" 0 '^\{"arch":"qwen3moe","version":3,"alignment":32,"files":\[\{"path":".*","size":341632,.*"experts":\{"layers":2,"count":12,"used":4,.*\}$' ""
[ "$(wc -l <"$dir/out")" -eq 1 ] && pass || fail "--json" "not one line"
run inspect "$golden/mixed-moe.gguf"
is "several types" 0 "^q4_k +[0-9]" ""
run inspect "$golden/glm4moe.gguf"
is "layers that are not run" 0 "^draft layers +23 .* f32$" ""
grep -q '^experts: 1 layer, ' "$dir/out" && pass || fail "layers that are not run" "their experts are counted"
run inspect "$golden/llama-tied.gguf"
grep -q '^experts' "$dir/out" && fail "a dense model" "has experts" || pass
run inspect
is "the embedded model" 0 "^  architecture qwen3moe, \"ember\"" ""

# An architecture that nobody knows: inspect works, run and plan name the nearest.
sed '1s/qwen3moe/qwen9moe/' "$golden/qwen3moe.gguf" >"$dir/unknown.gguf"
run inspect "$dir/unknown.gguf"
is "an unknown architecture" 0 "^  architecture qwen9moe" ""
grep -q 'no architecture here has\|its tokenizer' "$dir/out" && fail "an unknown architecture" "lacks what it has" || pass
run inspect --json "$dir/unknown.gguf"
is "what it lacks, as JSON" 0 '"lacks":\{"why":"[^"]* \\"qwen9moe\\" is not supported[^"]*","tensors":\[\],"more_tensors":false,"tokenizer":null\}' ""
run plan "$dir/unknown.gguf"
is "plan of an unknown architecture" 1 "" 'the architecture "qwen9moe" is not supported; the nearest one that is: qwen'

# What it lacks: tensors by name, each once; what cuts its texts, also where that is all.
LC_ALL=C sed 's/qwen3moe/qwen9moe/; s/attn_q\.weight/attn_z.weight/g; s/ffn_up_exps/ffn_\x1b[_exps/g; s/gpt-2/gpt-X/' "$golden/qwen3moe.gguf" >"$dir/lacks.gguf"
run inspect "$dir/lacks.gguf"
is "tensors that nobody has" 0 '^  no architecture here has its tensors attn_z, ffn_\\x1b\[_exps$' ""
is "a pre-tokenizer that nobody has" 0 '^  its tokenizer: .*pre-tokenizer "gpt-X" \(tokenizer.ggml.pre\) is not known; known are' ""
head -c $(($(wc -c <"$dir/lacks.gguf") - 4096)) "$dir/lacks.gguf" >"$dir/header.gguf"
run inspect --header-only "$dir/header.gguf"
is "a tokenizer, by the header alone" 0 '^  its tokenizer: .*pre-tokenizer "gpt-X"' ""
run inspect --json "$dir/lacks.gguf"
is "both as JSON" 0 '"tensors":\["attn_z","ffn_\\u001[Bb]\[_exps"\],"more_tensors":false,"tokenizer":"pre-tokenizer \\"gpt-X\\" ' ""

# Of many names sixteen; a file that is no model lacks nothing.
LC_ALL=C sed 's/qwen3moe/qwen9moe/g; s/blk\./blx./g' "$golden/qwen3moe.gguf" >"$dir/many.gguf"
run inspect "$dir/many.gguf"
is "many tensors that nobody has" 0 '^  no architecture here has its tensors (blx\.[0-9]+\.[a-z_]+, ){15}blx\.[0-9]+\.[a-z_]+ and others$' ""
run inspect --json "$dir/many.gguf"
is "many tensors, as JSON" 0 '"more_tensors":true' ""
LC_ALL=C sed 's/qwen3moe/qwen9moe/g; s/blk\./blx./g; s/block_count/block_kount/' "$golden/qwen3moe.gguf" >"$dir/no-model.gguf"
run inspect "$dir/no-model.gguf"
is "a file without layers" 0 '^  architecture qwen9moe, .* 27 tensors' ""
grep -q 'no architecture here has' "$dir/out" && fail "a file without layers" "lacks tensors" || pass
run inspect --json "$dir/no-model.gguf"
is "a file without layers, as JSON" 0 '"context":null,"origin":' ""

# Names that would steer a terminal.
name=$(printf 'qwen\033moe')
sed "1s/qwen3moe/$name/" "$golden/qwen3moe.gguf" >"$dir/strange.gguf"
run inspect "$dir/strange.gguf"
is "a control character" 0 'architecture qwen\\x1bmoe' ""
run inspect "$dir/strange.gguf" --json
is "a control character as JSON" 0 '"arch":"qwen\\u001[bB]moe"' ""
name=$(printf 'q\355\240\200\377moe') # a surrogate, then a byte that begins nothing
sed "1s/qwen3moe/$name/" "$golden/qwen3moe.gguf" >"$dir/strange.gguf"
run inspect "$dir/strange.gguf"
is "bytes that are not UTF-8" 0 'architecture q\\xed\\xa0\\x80\\xff' ""
run inspect "$dir/strange.gguf" --json
is "bytes that are not UTF-8 as JSON" 0 "\"arch\":\"q($(printf '\357\277\275')){4}moe\"" ""

run plan "$ember" --memory 300M
is "plan" 0 "^memory: [0-9.]+ MiB planned of 300\.0 MiB that --memory allows; from .* it works, here nothing streams$" ""
run plan "$ember" --memory min
is "plan that streams" 0 "^memory: .*; from .* it works, from [0-9.]+ [KMG]iB nothing streams$" ""
grep -Eq '^predicted for a usual machine, with a drive of 3\.00 GB/s, memory of 50\.0 GB/s and [0-9.]+ Tops of products \(--measure measures this one\): a prompt of 1024 tokens in ' "$dir/out" &&
    pass || fail "plan" "does not say what is assumed"
grep -Eq '^  held 6 %: at most [0-9]+ % hits are usual, then [0-9.]+ KiB are read a token$' "$dir/out" && pass || fail "plan" "promises hits of a small cache"
run plan "$ember" --slots 24
is "plan of a model whose experts may be used alike" 0 "^  held 25 %: about 81 % hits are usual, then [0-9.]+ KiB are read a token; where tokens use all experts alike, 25 % and [0-9.]+ KiB$" ""
run plan "$ember" --memory min --disk
is "plan --disk" 0 '^predicted for this drive and a usual machine, with a drive of [0-9.]+ GB/s, memory of 50\.0 GB/s and [0-9.]+ Tops of products \(--measure measures this one\): ' ""
grep -Eq '^  [a-z_]+ +[0-9.]+ [KMGi]*B *$' "$dir/out" && fail "plan" "has a part without a word" || pass
run plan "$ember"
is "plan of what is there" 0 "^memory: [0-9.]+ MiB planned; (this machine has [0-9.]+ [KMG]iB left|the cgroup leaves [0-9.]+ [KMG]iB); from " ""
grep -Eq '^  class 1: 96 of 96 experts of 108\.0 KiB held$' "$dir/out" && pass || fail "plan" "not every expert held"
field() { sed 's/.*"'"$1"'":\([0-9]*\).*/\1/' "$dir/out"; }
for memory in 300M min max; do
    run plan "$ember" --memory $memory --json
    is "plan --json --memory $memory" 0 '^\{"model":".*/ember\.gguf","arch":"qwen3moe","memory":[0-9]+,"memory_from":"flag","fits":true,"total":[0-9]+,' ""
    [ "$(field total)" -le "$(field memory)" ] && pass || fail "plan $memory" "$(field total) bytes are more than the budget"
    parts=$(sed 's/.*"parts":{\([^}]*\)}.*/\1/' "$dir/out" | tr ',' '\n' | sed 's/.*://' | awk '{ s += $1 } END { print s }')
    [ "$parts" -eq "$(field total)" ] && pass || fail "plan $memory" "the parts make $parts, the total is $(field total)"
done
# A chat keeps what it computed, where that fits; --cache-dir plans with it.
run plan "$ember" --memory min
more=$(sed -n 's/^a chat of stoker run needs \([0-9.]*\) MiB more, if there is room, to keep what it computed (planned by --cache-dir DIR)$/\1/p' "$dir/out")
run plan "$ember" --memory min --json
alone=$(field total)
run plan "$ember" --memory min --json --cache-dir "$dir/absent"
is "plan --cache-dir" 0 '"measured":"none"' ""
awk -v more="${more:-0}" -v bytes=$(($(field total) - alone)) 'BEGIN { exit !(bytes > 0 && more * 1048576 >= bytes && more * 1048576 < bytes + 110000) }' &&
    pass || fail "what a chat keeps" "takes ${more:-nothing} MiB by the line, $(($(field total) - alone)) bytes by --cache-dir"
run plan "${BUILD:-build}/data/embeddings/bert-cls.gguf"
grep -q '^a chat of' "$dir/out" && fail "a model of vectors" "has the line of a chat" || pass
# Words that are true of models without experts, and where tables of rows stay on the drive.
run plan "$golden/llama-tied.gguf"
is "plan of a dense model" 0 '^  slots +2\.0 MiB  rounding up to whole huge pages$' ""
grep -q expert "$dir/out" && fail "plan of a dense model" "speaks of experts" || pass
run plan "$ember" --serve --capture-memory 0 --json
is "plan --serve --capture-memory 0" 0 '"capture":0,' ""
run plan "$ember" --serve --json
is "plan --serve" 0 '"capture":2[0-9]{6},' ""
run plan "$ember" --serve --capture-memory 2000000T
is "too much for activations" 2 "" '--capture-memory [1-9][0-9]+ bytes are more than any machine has'
[ -e "$dir/absent" ] && fail "plan --cache-dir" "makes the folder" || pass
run plan "$ember" --memory min --cache-dir "$dir/absent"
grep -q '^a chat of' "$dir/out" && fail "plan --cache-dir" "has the line of a chat" || pass
# Which factors of rope: by the context that is asked for, whatever memory leaves of it.
for memory in min max; do
    run plan "$golden/phi3.gguf" --memory $memory
    is "factors of rope by default, $memory" 0 '^rope: long factors, of a context of 8192 \(short ones up to 4096\)$' ""
done
run plan "$golden/phi3.gguf" --ctx 4096 --json
is "factors of rope of a short context" 0 '"rope_factors":"short"' ""
# The model's files, and the keys that are shown by default.
size=$(stat -c %s "$ember")
run plan "$ember" --memory max --draft off --json
is "plan --json: files" 0 '"sacrificed":\[\],"files":\[\{"path":"[^"]*ember\.gguf","size":'"$size"',"direct":(true|false),"align":(512|1024|2048|4096)\}\],"note":\[.*\]\}$' ""
run plan "$ember" --memory max --reader buffered --json
is "plan --json: read buffered" 0 '"direct":false,"align":[0-9]+\}\],"note":\["not every file is read with O_DIRECT: .*"\]\}$' ""
run plan "$ember" --memory min --json
is "plan --json: a small cache" 0 '"note":\["cache holds (0\.[0-9]|1\.0) of one token.s experts: every token reads about [^"]* at best, and more where tokens use all experts alike"' ""
run plan "$ember" --memory 20M --json
is "plan --json: too little" 2 '"fits":false,.*"note":\[".*ember.gguf needs at least .* is too small\. Try --memory ' "is too small. Try --memory "

# More than any machine has, and more than the model was trained on.
much='the plan takes [0-9.]+ GiB, and (the cgroup leaves|this machine has left) [0-9.]+ [MG]iB beside a reserve: the kernel would swap it out or end it'
run plan "$ember" --memory max --ctx 268435456
is "plan of more than there is" 0 "^warning: $much$" ""
is "plan of a long context" 0 "^warning: the model was trained on 1024 positions: answers get worse behind that$" ""
run plan "$ember" --memory max --ctx 268435456 --strict
is "plan --strict of more than there is" 2 "^warning: $much$" ""
run plan "$ember" --memory max --ctx 268435456 --strict --json
is "plan --strict --json" 2 "\"note\":\\[\"$much\",\"the model was trained" ""
run plan "$ember" --memory max --strict
is "plan --strict of what is there" 0 "^predicted for a usual machine" ""
grep -q "^warning: " "$dir/out" && fail "plan --strict" "warns of what is there" || pass

# All but 14 of 16 experts in each layer: of 6 layers of 16 experts of 3 x 256 x 256, 18,874,368 of 21,130,880 weights, an eighth is used.
run inspect "$ember"
is "inspect: weights" 0 '^  weights: 21\.1 M of 4\.96 bits; a token is computed with 4\.62 M of them$' ""
is "inspect: where it comes from" 0 '^  licence mit$' ""
is "inspect: bits of a kind" 0 '^experts +18 +10\.1 MiB +81\.1 % +4\.50  q4_0$' ""
is "inspect: layers" 0 '^  layers: 6 full; 6 with experts \(--layers\)$' ""
is "inspect: context" 0 '^  context of 1024: 3\.0 KiB a token, 2\.9 MiB a thousand, in f16$' ""
run inspect "$ember" --json
is "inspect --json: context" 0 '"context":\{"trained":1024,"kv_type":"f16","kv_bytes_per_token":3072,"kv_bytes_per_1000":3072000,' ""
is "inspect --json: weights" 0 '"weights":21130880,"active_weights":4615808,' ""

run inspect "${BUILD:-build}/data/embeddings/bert-cls.gguf"
is "inspect: layers of which one's keys are kept" 0 '^  layers: 2 full; 0 with experts' ""

# A map of the layers: what each keeps, and which have experts.
while read -r model map; do
    run inspect "$golden/$model.gguf" --layers
    is "inspect --layers $model" 0 "^   0  $map$" ""
done <<END
gemma3 wwwwwf
qwen35moe RF
deepseek4 WC
nemotron_h_moe r[+]f[+]
deepseek2-lite lL
kimi-linear rRL
END

# Below it what some layers have besides: shared experts, index keys; and what letters mean.
run inspect "$golden/gemma3.gguf" --layers
[ "$(wc -l <"$dir/out")" -eq 2 ] && pass || fail "inspect --layers gemma3" "has lines of what no layer has"
is "inspect --layers: letters" 0 "^kept of a sequence: f all positions, l latents of all, w a window, c compressed ones, r a state, - nothing; capitals and [+]: with experts\$" ""
run inspect "$golden/deepseek2-lite.gguf" --layers
is "inspect --layers: shared experts" 0 "^      [.]s\$" ""
is "inspect --layers: what s means" 0 "^s below: with shared experts" ""
[ "$(wc -l <"$dir/out")" -eq 4 ] && pass || fail "inspect --layers deepseek2-lite" "has lines of what no layer has"
run inspect "$golden/deepseek4.gguf" --layers
is "inspect --layers: index keys" 0 "^      [.]i\$" ""
is "inspect --layers: what i means" 0 "^i below: with index keys" ""
is "inspect --layers: shared experts of all layers" 0 "^      ss\$" ""
run inspect "$golden/deepseek2-lite.gguf"
is "inspect: latents and shared experts" 0 '^  layers: 2 latent; 1 with experts, 1 with shared ones \(--layers\)$' ""
grep -q "^    [0-9]" "$dir/out" && fail "inspect: one kind" "is told a second time" || pass

# The same as a picture: its figures are those of --json, a square a layer, a mark where there are experts; every name is escaped.
layers_of() { # a line a layer: what it keeps, experts, those in use, bytes, shared ones, index keys
    sed -n 's/.*"layers":\(\[{"keeps.*\)/\1/p' "$dir/out" |
        grep -o '{"keeps":"[a-z]*","experts":[0-9]*,"used":[0-9]*,"bytes":[0-9]*,"type":"[a-z0-9_]*","shared":[a-z]*,"index":[a-z]*' |
        sed 's/"type":"[^"]*",//; s/true/1/g; s/false/0/g; s/"[a-z]*"://g; s/[{"]//g; s/,/ /g'
}
for model in gemma3 qwen35moe deepseek4 nemotron_h_moe jamba deepseek2-lite glm-dsa; do
    run inspect "$golden/$model.gguf" --json
    layers_of >"$dir/want"
    run inspect "$golden/$model.gguf" --svg
    sed -n 's/.* data-layer="[0-9]*" data-keeps="\([a-z]*\)" data-experts="\([0-9]*\)" data-used="\([0-9]*\)" data-bytes="\([0-9]*\)" data-shared="\([01]\)" data-index="\([01]\)".*/\1 \2 \3 \4 \5 \6/p' \
        "$dir/out" >"$dir/drawn"
    [ -s "$dir/want" ] && cmp -s "$dir/want" "$dir/drawn" && pass || fail "inspect --svg $model" "has other figures than --json"
    [ "$(awk '$2 > 0' "$dir/want" | wc -l)" -eq "$(grep -c 'width="10.40".*class="mark"' "$dir/out")" ] && pass ||
        fail "inspect --svg $model" "marks other layers than those with experts"
    [ "$(awk '$5 > 0' "$dir/want" | wc -l)" -eq "$(grep -c 'r="2.08" class="mark"' "$dir/out")" ] && pass ||
        fail "inspect --svg $model" "marks other layers than those with shared experts"
    [ "$(awk '$6 > 0' "$dir/want" | wc -l)" -eq "$(grep -c 'width="2.60".*class="mark"' "$dir/out")" ] && pass ||
        fail "inspect --svg $model" "marks other layers than those with index keys"
    [ "$(sed -n 's/.*<rect \(x="[0-9.]*" y="[0-9.]*"\) .*data-layer.*/\1/p' "$dir/out" | sort | uniq | wc -l)" -eq "$(wc -l <"$dir/want")" ] && pass ||
        fail "inspect --svg $model" "draws layers over each other"
done
cp "$ember" "$dir/a<b>&\"c.gguf"
run inspect "$dir/a<b>&\"c.gguf" --svg
is "inspect --svg: a name" 0 '^<title>a&lt;b&gt;&amp;&quot;c\.gguf: 6 layers</title>$' ""
is "inspect --svg: dark pages" 0 'prefers-color-scheme:dark' ""
[ "$(head -c 5 "$dir/out")" = "<svg " ] && [ "$(tail -n 1 "$dir/out")" = "</svg>" ] && pass || fail "inspect --svg" "is no picture"
if command -v xmllint >/dev/null; then
    xmllint --noout "$dir/out" 2>"$dir/err" && pass || fail "inspect --svg" "is not well-formed"
fi
# A name of bytes that are not UTF-8, and of U+FFFE and U+FFFF, which XML does not have.
name=$(printf 'a\377\355\240\200b\357\277\276\357\277\277c')
cp "$ember" "$dir/$name.gguf"
run inspect "$dir/$name.gguf" --svg
bad=$(printf '\357\277\275')
is "inspect --svg: a name that is no text" 0 "^<title>a$bad$bad$bad${bad}b$bad${bad}c\\.gguf: 6 layers</title>\$" ""
iconv -f UTF-8 -t UTF-16 "$dir/out" >/dev/null 2>&1 && pass || fail "inspect --svg: a name that is no text" "is not UTF-8"
if command -v xmllint >/dev/null; then
    xmllint --noout "$dir/out" 2>"$dir/err" && pass || fail "inspect --svg: a name that is no text" "is not well-formed"
fi
rm "$dir/$name.gguf"
run inspect "$ember" --svg --json
is "inspect --svg --json" 2 "" "^stoker inspect: --svg is a picture and nothing else; leave --json"
run inspect "$golden/gemma3.gguf"
is "inspect: of layers that see everything" 0 '^    1 full: 128 B a token, 125\.0 KiB a thousand$' ""
is "inspect: of windows alone" 0 '^    5 window: 640\.0 KiB of windows$' ""
is "inspect: windows" 0 '^  context of 4096: 128 B a token, 125\.0 KiB a thousand, in f16; 640\.0 KiB of windows$' ""

# What kinds of layers keep adds up to what the model does, in a file of inspect --json; each layer is of one kind.
figures() { # the numbers of these names, each the sum of all that stand in the text
    grep -o '"[a-z_0-9]*":[0-9][0-9]*' | awk -F '[":]+' '{ sum[$2] += $3 } END {
        print sum["kv_bytes_per_token"] + 0, sum["kv_bytes_per_1000"] + 0, sum["kv_fixed_bytes"] + 0, sum["state_bytes_per_sequence"] + 0 }'
}
kinds_add_up() { # kinds_add_up FILE WHAT
    all=$(sed -n 's/.*"context":{\("trained".*\),"kinds":{.*/\1/p' "$1" | figures)
    kinds=$(sed -n 's/.*"kinds":{\(.*\)},"layers":\[{"keeps.*/\1/p' "$1")
    n=$(printf '%s\n' "$kinds" | grep -o '"layers":[0-9]*' | awk -F : '{ n += $2 } END { print n + 0 }')
    [ "$all" != "0 0 0 0" ] && [ "$all" = "$(printf '%s\n' "$kinds" | figures)" ] && [ "$n" -eq "$(grep -o '"keeps":"' "$1" | wc -l)" ] &&
        pass || fail "$2" "kinds of layers make $(printf '%s\n' "$kinds" | figures) of $n layers, the model $all"
}
for file in "$data"/headers/*.gguf "$data"/embeddings/bert-cls.gguf; do
    run inspect "$file" --header-only --json
    kinds_add_up "$dir/out" "inspect --json $(basename "$file")"
done
run inspect "$golden/kimi-linear.gguf" --json
is "inspect --json: kinds" 0 '"kinds":\{"latent":\{"layers":1,"kv_bytes_per_token":[1-9][0-9]*,"kv_bytes_per_1000":[1-9][0-9]*000,"kv_fixed_bytes":0,"state_bytes_per_sequence":0\},"recurrent":\{"layers":2,"kv_bytes_per_token":0,"kv_bytes_per_1000":0,"kv_fixed_bytes":0,"state_bytes_per_sequence":[1-9][0-9]*\}\}' ""

# A file of metadata alone, which says all of where it comes from and how tools are called.
byte() { printf "\\$(printf %03o "$1")"; }
count() { byte "$1" && printf '\0\0\0\0\0\0\0'; }           # u64 below 256
string() { count ${#1} && printf %s "$1"; }
texts() { string "$1" && byte 8 && printf '\0\0\0' && string "$2"; }
whole() { string "$1" && byte 4 && printf '\0\0\0' && byte "$2" && printf '\0\0\0'; }
origin() { # origin N TEMPLATE: with N of two base models counted
    printf 'GGUF\003\0\0\0' && count 0 && count 14
    texts general.architecture llama
    texts general.license apache-2.0
    texts general.author 'Ann Author'
    whole general.base_model.count "$1"
    texts general.base_model.0.name 'First 7B'
    texts general.base_model.0.organization 'First Lab'
    texts general.base_model.1.repo_url https://example.org/second
    texts general.quantized_by someone
    texts quantize.imatrix.file m.imatrix
    texts quantize.imatrix.dataset text.txt
    whole quantize.imatrix.entries_count 224
    whole quantize.imatrix.chunks_count 125
    texts tokenizer.ggml.model gpt2
    texts tokenizer.chat_template "$2"
}
origin 2 'x <tool_call> y' >"$dir/origin.gguf"
run inspect "$dir/origin.gguf"
is "inspect: where it comes from, all of it" 0 '^  licence apache-2\.0, author Ann Author, made from First 7B and https://example\.org/second, quantised by someone, importance matrix m\.imatrix, made with text\.txt, 224 tensors in it, 125 chunks of text$' ""
is "inspect: the format of tool calls" 0 '^  tokenizer gpt2, with a chat template, tool calls as hermes has them$' ""
run inspect "$dir/origin.gguf" --json
is "inspect --json: where it comes from" 0 '"origin":\{"license":"apache-2.0","author":"Ann Author","base_models":\[\{"name":"First 7B","organization":"First Lab","url":null\},\{"name":null,"organization":null,"url":"https://example.org/second"\}\],"quantized_by":"someone","imatrix":\{"file":"m.imatrix","dataset":"text.txt","entries":224,"chunks":125\}\},"tool_format":"hermes"' ""
origin 1 'x [TOOL_CALLS] y' >"$dir/origin.gguf"
run inspect "$dir/origin.gguf"
is "inspect: as many base models as are counted" 0 'made from First 7B, quantised by' ""
is "inspect: another format of tool calls" 0 'tool calls as mistral[a-z0-9_]* has them$' ""
origin 2 'no calls' >"$dir/origin.gguf"
run inspect "$dir/origin.gguf"
is "inspect: a template without tool calls" 0 '^  tokenizer gpt2, with a chat template that shows no format of tool calls$' ""
run inspect "$dir/origin.gguf" --json
is "inspect --json: a template without tool calls" 0 '"tool_format":null' ""
# Of several templates that of requests with tools; where the plain one has a name, by it.
several() { # several PLAIN: the key of the template without tools
    printf 'GGUF\003\0\0\0' && count 0 && count 3
    texts tokenizer.ggml.model gpt2
    texts "$1" 'no calls'
    texts tokenizer.chat_template.tool_use 'x <tool_call> y'
}
for key in tokenizer.chat_template tokenizer.chat_template.default; do
    several $key >"$dir/origin.gguf"
    run inspect "$dir/origin.gguf"
    is "inspect: a template of its own for tools, beside $key" 0 'with a chat template, tool calls as hermes has them$' ""
done
several tokenizer.chat_template.rag >"$dir/origin.gguf"
run inspect "$dir/origin.gguf"
is "inspect: no template without tools" 0 '^  tokenizer gpt2, no chat template$' ""
run inspect "$golden/qwen3moe.gguf" --json
is "inspect --json: nothing is said" 0 '"origin":\{"license":null,"author":null,"base_models":\[\],"quantized_by":null,"imatrix":null\},"tool_format":null' ""

# From a header alone, in a file and by a pipe: the same plans, byte for byte, and the same description, of every golden. What pads the end of
# a file is not in its header. Of one in ONE_OF (1) of them.
plans() { "$stoker" plan "$@" --memory max && "$stoker" plan "$@" --memory min; }
n_golden=0
for file in "$golden"/*.gguf "$data"/embeddings/*.gguf; do
    n_golden=$((n_golden + 1))
    [ $((n_golden % ${ONE_OF:-1})) -eq 0 ] || continue
    cp "$file" "$dir/m.gguf"
    plans "$dir/m.gguf" >"$dir/whole" 2>&1 || fail "a header alone" "$(basename "$file") has no plan"
    "$stoker" inspect "$dir/m.gguf" --json | sed 's/"size":[0-9]*//' >"$dir/described"
    kinds_add_up "$dir/described" "inspect --json $(basename "$file")"
    head=$(sed -n 's/.*"data_start":\([0-9]*\).*/\1/p' "$dir/described")
    [ -n "$head" ] && truncate -s "$head" "$dir/m.gguf" || fail "a header alone" "$(basename "$file") does not say where it ends"
    plans "$dir/m.gguf" --header-only >"$dir/alone" 2>&1
    for budget in max min; do
        cat "$dir/m.gguf" | "$stoker" plan - --memory $budget 2>&1
    done | sed "s|/dev/stdin|$dir/m.gguf|" >"$dir/piped"
    cat "$dir/m.gguf" | "$stoker" inspect - --json | sed "s|/dev/stdin|$dir/m.gguf|; s/\"size\":[0-9]*//" >"$dir/alone.json"
    cmp -s "$dir/whole" "$dir/alone" && cmp -s "$dir/whole" "$dir/piped" && cmp -s "$dir/described" "$dir/alone.json" && pass ||
        fail "a header alone" "$(basename "$file") gives another plan or description"
done
known=$(cat tests/data/golden/INDEX.json "$data/embeddings/INDEX.json" | grep -o '"name": *"' | wc -l)
[ "$n_golden" -eq "$known" ] && pass || fail "a header alone" "of $known goldens $n_golden were looked at"
rm -f "$dir/m.gguf"
head -c 200000 "$ember" >"$dir/in"
run plan - --json
is "plan - " 0 '"model":"/dev/stdin","arch":"qwen3moe",.*"fits":true,.*"size":13232256,"direct":true,"align":[0-9]+[}]\],"note":\[\]' ""
run plan - --measure
is "plan - --measure" 2 "" "^stoker plan: --measure reads the model's file, of which only the header is here$"
rm "$dir/in"
mkfifo "$dir/pipe"
(head -c 2000000 "$ember"; exec sleep 1000) >"$dir/pipe" & # a producer that does not end
producer=$!
timeout 60 "$stoker" plan - <"$dir/pipe" >"$dir/out" 2>"$dir/err"
status=$?
kill $producer
is "plan - ends with the header" 0 '^/dev/stdin \(qwen3moe\)$' ""
# What is no GGUF is told by its first bytes, from a producer that does not end either.
for command in plan inspect; do
    (printf 'PK'; sleep 0.2; printf '\003\004 a zip file'; exec sleep 1000) >"$dir/pipe" &
    producer=$!
    timeout 60 "$stoker" $command - <"$dir/pipe" >"$dir/out" 2>"$dir/err"
    status=$?
    kill $producer
    is "$command - of a zip file" 1 "" '^stoker: /dev/stdin: not a GGUF file: it does not begin with "GGUF"$'
done
(printf 'G'; sleep 0.2; head -c 200000 "$ember" | tail -c +2) | "$stoker" plan - >"$dir/out" 2>"$dir/err"
status=$?
is "plan - in pieces" 0 '^/dev/stdin \(qwen3moe\)$' ""
head -c 5000 "$ember" >"$dir/in"
run plan -
is "a header that goes on" 1 "" '^stoker: /dev/stdin: the header goes on behind the 5000 bytes that are here \(in key [a-z._]*\): give it at least [0-9]+ more; 16 MB are enough for most models$'
rm "$dir/in"
run plan -
is "an empty one" 1 "" "^stoker: /dev/stdin: the file is empty$"

# Which kernels multiply with the types of a file; a CPU or tier that has none for them is reported.
for file in "$golden/mixed-moe.gguf" "$golden/nvfp4.gguf" "$golden/mixed.gguf"; do
    run plan "$file" --cpu-tier scalar
    is "plan: scalar kernels" 0 "^kernels: [a-z0-9_]+ scalar(, [a-z0-9_]+ scalar)*$" ""
    types=$(sed -n 's/^kernels: //p' "$dir/out" | sed 's/ scalar//g')
    is "plan: scalar kernels are told" 0 "^$types: scalar on this CPU$" ""
    run plan "$file" --cpu-tier scalar --json
    is "plan --json: scalar kernels" 0 '"kernels":\{("[a-z0-9_]+":"scalar",?)+\},"sacrificed"' ""
    for tier in avx2 avxvnni avx512; do
        case $tier in avx2) flag=avx2 ;; avxvnni) flag='avx_vnni|avx512_vnni' ;; avx512) flag=avx512_vnni ;; esac
        grep -Eq "$flag" /proc/cpuinfo || continue
        run plan "$file" --cpu-tier $tier
        grep -q "scalar" "$dir/out" && fail "plan --cpu-tier $tier" "a type without kernels" || pass
        kernel="[a-z0-9_]+ $tier"
        [ $tier != avxvnni ] || kernel="($kernel|b?f(16|32) avx2)" # floats have no products of bytes
        is "plan --cpu-tier $tier: every type" 0 "^kernels: $kernel(, $kernel)*\$" ""
    done
done
run plan "$golden/nvfp4.gguf" --cpu-tier scalar
is "plan names the types" 0 "[ :]nvfp4 scalar" ""

run plan "$ember" --memory min --disk
is "plan --disk" 0 "^drive: [0-9.]+ GB/s; reading alone allows at most [1-9][0-9.]* tokens/s$" ""
run plan "$ember" --memory min --disk --json
is "plan --disk --json" 0 '"disk_rate":[1-9][0-9.]+,"tokens_per_s":[1-9][0-9.]+\},' ""
run plan "$ember" --memory min --measure
is "plan --measure" 0 "^predicted for this machine, with a drive of [0-9.]+ GB/s, memory of [0-9.]+ GB/s and [0-9.]+ Tops of products: a prompt of 1024 tokens " ""
run plan "$ember" --memory min --measure --json
is "plan --measure --json" 0 '"rates":\{"drive":[1-9][0-9.]+,"memory":[1-9][0-9.]+,"product":[1-9][0-9.]+,"unpack_rows":[0-9.]+,"dot":[1-9][0-9.]+,"vector":[1-9][0-9.]+,"attend":[1-9][0-9.e+]*,"state":[1-9][0-9.e+]*,"measured":"all"\}' ""
sed 's/,"predicted":.*"kernels"//' "$dir/out" >"$dir/want"
run plan "$ember" --memory min --json
sed 's/,"predicted":.*"kernels"//' "$dir/out" | cmp -s - "$dir/want" && pass || fail "plan --measure" "is another plan"
run plan "$ember" --memory max --disk
is "plan --disk, nothing streams" 0 "^drive: [0-9.]+ GB/s; nothing is read for a token$" ""

done_testing
