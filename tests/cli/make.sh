# Control vectors made of texts: those of an independent engine, the same bytes under every setting, what is refused, what failures leave.
. tests/cli/harness

v=$data/steering/ember
same=${data%/data}/tests/same_directions rows_of=${data%/data}/tests/steered_rows
f=$dir/f.gguf
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
exact="steer make $ember --exact --kv f32 --name declines"
texts="--positive $v/positive.txt --negative $v/negative.txt"
near() { # near WHAT REFERENCE COSINE [NORM]
    "$same" "$f" "$v/$2" "$3" ${4:-} >"$dir/out" && pass || fail "$1" "is far from $2"
}
equal() { # equal WHAT FILE
    cmp -s "$f" "$2" && pass || fail "$1" "other bytes"
}
none_left() { # none_left WHAT
    [ -z "$(ls -A "$dir" | grep -E '^(f\.|\.stoker)')" ] && pass || fail "$1" "$(ls -A "$dir")"
}

# ---- the vectors of an independent engine ------------------------------------------------------------------------------------------
run $exact $texts -o "$f"
is "a vector" 0 '^ +3 +79\.3[0-9]* +[0-9.]+ +0\.7[0-9]+ +0\.40[0-9] +1\.000$' ""
is "what is told" 0 'f.gguf: add, layers 1-5, sha256 [0-9a-f]{16}\.\.$' ""
is "a scale" 0 "^scale to begin with: 24 \\(all layers together add as much as the mean residual, 120\\.[0-9]+\\): --control-vector-scaled $f:24$" ""
near "mean, last position" mean-last.gguf 1e-6 1e-5
cp "$f" "$dir/mean"
run $exact $texts --norm raw -o "$f"
is "a scale of what was measured" 0 '^scale to begin with: 0\.24 ' ""
near "as measured" mean-last-raw.gguf 1e-6 1e-5
cp "$f" "$dir/raw"
# The means over 900 rows of which one differs: less than a thousandth of what is there.
awk 'BEGIN { for (i = 0; i < 900; i++) printf " a" }' >"$dir/alike"
for word in a b; do
    { cat "$dir/alike" && echo " $word"; } >"$dir/alike.$word"
done
run steer make "$ember" --positive "$dir/alike.a" --negative "$dir/alike.b" --positions mean --layers 1-1 --norm raw --ctx 1024 -o "$f"
is "texts that hardly differ" 0 '^scale to begin with: above 1000, which is too large for a flag; the texts hardly differ there: choose other' ""
run inspect "$f"
grep -q '^  scale' "$dir/out" && fail "a scale above 1000" "is in the file" || pass
run $exact $texts --positions all -o "$f"
near "mean, all positions" mean-all.gguf 1e-6 1e-5
run $exact $texts --method pca -o "$f"
near "principal component" pca-last.gguf 1e-6 1e-5
run $exact $texts --method pca --positions all --capture-memory 1M -o "$f"
near "principal component, all positions" pca-all.gguf 1e-5 1e-5
cp "$f" "$dir/pca"
run $exact $texts --method pca --positions all --pca-iter 3 -o "$f"
is "too few iterations" 0 "layers 1-5" 'layer 5: not settled after 3 iterations, the last changed it by [0-9.e-]+, 0\.[0-9]+ of the one before; raise --pca-iter$'

# Reversed texts give the reversed vector; other scales of the same rows the same direction.
run $exact --positive "$v/negative.txt" --negative "$v/positive.txt" --norm raw -o "$f"
"$same" "$f" "$dir/raw" 1e-6 >"$dir/out" && fail "the sign" "is lost" || pass

# ---- the same bytes ----------------------------------------------------------------------------------------------------------------
for how in "--threads 1" "--threads 2 --chunk 3 --parallel 3" "--cpu-tier scalar" "--memory min --capture-memory 64k" "--memory max"; do
    run $exact $texts $how --norm raw -o "$f"
    equal "$how" "$dir/raw"
done
run $exact $texts --method pca --positions all --threads 1 --capture-memory 32k -o "$f"
equal "pairs that are read again and again" "$dir/pca"

# With the prompts in a cache, where little more is computed than the rows that are recorded.
for rows in cold warm; do
    run $exact $texts --norm raw --cache-dir "$dir/known" --route-trace "$dir/$rows" -o "$f"
    equal "$rows prompts" "$dir/raw"
done
[ "$(wc -c <"$dir/warm")" -lt "$(($(wc -c <"$dir/cold") / 4))" ] && pass || fail "--cache-dir" "nothing is taken from it"

# Sums of more prompts than there is memory for: they take turns.
run $exact $texts --positions mean --norm raw -o "$f"
cp "$f" "$dir/mean-raw"
run $exact $texts --positions mean --norm raw --parallel 8 --capture-memory 64k -o "$f"
equal "prompts take turns" "$dir/mean-raw"

# Questions in the model's chat format are the prompts that somebody rendered: the file differs in the names of what it was made of alone.
sums() { "$stoker" inspect "$1" | sed -n 's/^  sha256 *//p'; }
run $exact --chat --positive "$v/asked_positive.txt" --negative-file "$v/asked_negative.txt" --norm raw -o "$f"
is "--chat" 0 "layers 1-5" ""
[ "$(sums "$f")" = "$(sums "$dir/raw")" ] && pass || fail "--chat" "gives other directions"
run $exact --chat --think on --positive "$v/asked_positive.txt" --negative "$v/asked_negative.txt" --norm raw -o "$f"
[ "$(sums "$f")" != "$(sums "$dir/raw")" ] && pass || fail "--think on" "changes nothing"

# ---- what the file says --------------------------------------------------------------------------------------------------------------
key() { # key NAME REGEX: of $f
    "$stoker" inspect "$f" --json >"$dir/out" 2>"$dir/err"
    grep -Eq "\"$1\": *\"?$2" "$dir/out" && pass || fail "$1" "is not $2"
}
run $exact $texts --license MIT --mode project --orthogonalize -o "$f"
is "a projection" 0 'project, layers 1-5' ""
grep -q '^scale' "$dir/out" && fail "a projection" "is told a scale" || pass
key kind project
key license MIT
key name declines
key base_model ember
key model_hint qwen3moe
key method "mean difference, last position, orthogonal to the negative mean, unit"
run inspect "$f"
is "norms" 0 '^  norms +1: 1 2: 1 3: 1 4: 1 5: 1$' ""
recorded='{"general.architecture":"controlvector","general.name":"declines","general.license":"MIT","general.base_model.count":1,"general.base_model.0.name":"ember","controlvector.model_hint":"qwen3moe","controlvector.layer_count":5,"controlvector.stoker.method":"mean difference, last position, orthogonal to the negative mean, unit","controlvector.stoker.model_hash":"HASH","controlvector.stoker.positive_sha256":"'$(sha256sum <"$v/positive.txt" | cut -c 1-64)'","controlvector.stoker.negative_sha256":"'$(sha256sum <"$v/negative.txt" | cut -c 1-64)'","controlvector.stoker.version":"VERSION","glp.mode":"project","glp.spec_version":1,"glp.hook_point":"residual_stream_post_layer","glp.derived_at":"residual_stream_post_layer","glp.rank":1,"glp.alpha_default":1.0,"glp.method":"mean difference, last position, orthogonal to the negative mean, unit","glp.content_sha256":"CONTENT"}'
run inspect "$f" --json
sed -E 's/.*"metadata":([^}]*\}).*/\1/; s/("[a-z.]*_hash":)"[0-9a-f]{16}"/\1"HASH"/; s/(version":)"[^"]*"/\1"VERSION"/; s/(content_sha256":)"[0-9a-f]{64}"/\1"CONTENT"/' \
    "$dir/out" >"$dir/header"
[ "$(cat "$dir/header")" = "$recorded" ] && pass || fail "the header" "is $(cat "$dir/header")"
# What is added has the scale that was told; nothing else of the header is another for it.
cp "$dir/mean" "$f"
key 'controlvector\.stoker\.scale' '24\.0,'
key scale_suggested '24\.0\}'
for scale in raw:0.24 mean:24; do
    run inspect "$dir/${scale%:*}"
    is "what ${scale%:*} suggests" 0 "^  scale +${scale#*:} to begin with\$" ""
done
run steer make "$ember" --exact --kv f32 $texts --mode add --layers 3-3 --norm raw -o "$f"
told=$(sed -n 's/^scale to begin with: \([0-9.]*\) .*/\1/p' "$dir/out")
run inspect "$f"
is "what is told of one layer" 0 "^  scale +$told to begin with\$" ""
run inspect "$f" --json
sed 's/.*"metadata"://' "$dir/out" | grep -oE '"(general|controlvector|glp)[a-z0-9_.]*":' | tr -d '":\n' >"$dir/names"
[ "$(cat "$dir/names")" = general.architecturegeneral.namegeneral.base_model.countgeneral.base_model.0.namecontrolvector.model_hintcontrolvector.layer_countcontrolvector.stoker.methodcontrolvector.stoker.model_hashcontrolvector.stoker.positive_sha256controlvector.stoker.negative_sha256controlvector.stoker.scalecontrolvector.stoker.version ] &&
    pass || fail "the keys of what is added" "are $(cat "$dir/names")"
strings -n 8 "$dir/mean" | grep -q 'general.license' && fail "no licence" "is told all the same" || pass
run $exact $texts --layers 2-3 -o "$f"
is "two layers" 0 'layers 2-3' ""
run $exact $texts --shift 1 -o "$f"
is "llama.cpp's names" 0 '^    0 ' ""
is "llama.cpp's names" 0 'layers 1-5' ""
run $exact $texts --shift 1 --layers 2-4 --norm raw -o "$f"
run steer show "$ember" "$f" "$dir/raw"
is "llama.cpp's names" 0 '^  norms +3: 48\.85 4: 79\.32 5: 120\.1$' ""

# More texts of one kind: the difference of the means.
head -n 7 "$v/negative.txt" >"$dir/fewer"
run $exact --positive "$v/positive.txt" --negative "$dir/fewer" --positions mean -o "$f"
is "more of one kind" 0 '^ +3 +[0-9.]+ +[0-9.]+ +[0-9.]+ +- +-$' ""
for how in "--method pca" "--positions all"; do
    run $exact --positive "$v/positive.txt" --negative "$dir/fewer" $how -o "$f"
    is "pairs without an equal: $how" 2 "" '--positive and --negative have 12 and 7 prompts'
done

# Steered by it in another process, with the list as flags and as JSON.
ask() { run run "$ember" -p "What is the capital of Italy?" --think off --temp 0 -n 8 --ctx 256 "$@"; }
cp "$dir/raw" "$dir/raw.gguf"
ask
cp "$dir/out" "$dir/plain"
ask --control-vector-scaled "$dir/raw.gguf:2" --control-vector-layer-range 3 3
is "steered by a vector that was made" 0 '^I am a tiny' 'made for ember'
cp "$dir/out" "$dir/steered"
cmp -s "$dir/out" "$dir/plain" && fail "a vector that was made" "changes nothing" || pass
ask --control-vector "$dir/raw.gguf" --steer '[{"vector":"raw","scale":2,"layers":[3,3]}]'
cmp -s "$dir/out" "$dir/steered" && pass || fail "a vector that was made" "is another as JSON"


# A vector of norm 1 does nothing at scale 1, which is told; with a list, or with a scale, it is not.
cp "$dir/mean" "$dir/unit.gguf"
ask --control-vector "$dir/unit.gguf"
hint="^stoker run: unit.gguf: added at scale 1; for all its layers the file suggests --control-vector-scaled $dir/unit.gguf:24\$"
is "a vector without a scale" 0 . "$hint"
ask --control-vector "$dir/unit.gguf" --control-vector-layer-range 1 5
is "all its layers by name" 0 . "$hint"
for how in "--control-vector $dir/unit.gguf --control-vector-layer-range 3 3" "--control-vector-scaled $dir/unit.gguf:24" "--control-vector $dir/unit.gguf --steer [{\"vector\":0,\"scale\":2}]"; do
    ask $how
    grep -q 'suggests' "$dir/err" && fail "$how" "is told a scale" || pass
done
ask --control-vector "$v/mean-last.gguf"
grep -q 'suggests' "$dir/err" && fail "a file that suggests none" "does" || pass

# Without --scales a sweep is near the scale of the file, of fewer layers near one at which they add as much.
printf 'What is the capital of Italy?\nWho wrote Hamlet?\n' >"$dir/ask"
for scale in unit:-24,-12,12,24,30 raw:-0.24,-0.12,0.12,0.24,0.3; do
    run steer sweep "$ember" --vector "$dir/${scale%:*}.gguf" --prompts "$dir/ask" --chat --think off --ctx 128 -n 4 --json
    [ "$(sed -n 's/.*"layers":"all","scale":\([^,]*\).*/\1/p' "$dir/out" | paste -sd,)" = "${scale#*:}" ] && pass || fail "a sweep of ${scale%:*}" "has other scales"
done
few="steer sweep $ember --vector $dir/unit.gguf --prompts $dir/ask --chat --think off --ctx 128 -n 4"
run $few --layers 3,1-5 --json
is "a sweep of one layer of five" 0 . '^stoker steer sweep: layers 3-3: the file suggests 24, for all its layers together; fewer need more, and these are tried near 120$'
[ "$(wc -l <"$dir/err")" -eq 1 ] && pass || fail "a sweep of all layers by name" "says more"
tried=$(sed -n 's/.*"layers":\[\([0-9]\),\([0-9]\)\],"scale":\([^,]*\).*/\1-\2:\3/p' "$dir/out" | paste -sd' ')
[ "$tried" = "3-3:-120 3-3:-60 3-3:60 3-3:120 3-3:150 1-5:-24 1-5:-12 1-5:12 1-5:24 1-5:30" ] && pass || fail "a sweep of one layer of five" "tries $tried"
run $few --scales 0.01
is "a sweep of scales that are too small" 0 . 'try larger scales, as in --scales -24,24 '
run $few --scales 0.01 --layers 3
is "a sweep of scales that are too small" 0 . 'try larger scales, as in --scales -120,120 '

# A server says it to its clients, and of no other vector.
if command -v curl >/dev/null; then
    mkdir "$dir/made"
    LC_ALL=C sed 's/\(stoker\.scale.\{10\}\)8@/\1@@/' "$dir/unit.gguf" >"$dir/made/again.gguf" # 32, not 24
    starts "$ember" --ctx 256 --control-vector-scaled "$dir/unit.gguf:0,$v/mean-last-raw.gguf:0" --steer-dir "$dir/made"
    asks "what a server has" 200 '"name":"unit".*"norms":\[[^]]*\],"scale_suggested":24,"sha256"' /control-vectors
    [ "$(grep -o scale_suggested "$dir/answer" | wc -l)" = 1 ] && pass || fail "a vector that suggests no scale" "does: $(cat "$dir/answer")"
    # A file that is made again says something else of the same directions: of the same vector, which stays on the default list.
    asks "the default list" 200 '"success":true' /control-vectors/apply '[{"id":0,"scale":0.5}]'
    asks "a file that is made again" 200 '"success":true,"id":0,"name":"unit"' /control-vectors/load '{"path":"again.gguf"}'
    asks "what it says" 200 '^\[\{"id":0,"name":"unit","file":"again.gguf","kind":"add","hook":"[a-z_]*","scale":0.5,.*"scale_suggested":32,' /control-vectors
    [ "$(grep -o '"id":' "$dir/answer" | wc -l)" = 2 ] && pass || fail "a file that is made again" "$(cat "$dir/answer")"
    ends
fi

# The bits of it: what another process records under the flags, and what the library gives for the list.
text="What is the capital of Italy?"
"$rows_of" "$ember" "$dir/raw.gguf" 2 3 3 "$text" >"$dir/bits" 2>"$dir/err"
for how in "--threads 1 --chunk 3" "--memory min" ""; do
    run activations "$ember" --exact --kv f32 --ctx 256 $how -p "$text" --tensors final \
        --control-vector-scaled "$dir/raw.gguf:2" --control-vector-layer-range 3 3 -o "$dir/f.npy"
    [ -s "$dir/bits" ] && tail -c "$(wc -c <"$dir/bits")" "$dir/f.npy" | cmp -s - "$dir/bits" && pass || fail "a list by flags $how" "has other bits than the library's"
done
run activations "$ember" --exact --kv f32 --ctx 256 -p "$text" --tensors final -o "$dir/f.npy"
tail -c "$(wc -c <"$dir/bits")" "$dir/f.npy" | cmp -s - "$dir/bits" && fail "the bits" "are those without steering" || pass
rm "$dir/f.npy"

# ---- show --------------------------------------------------------------------------------------------------------------------------
run steer show "$ember" "$dir/mean" "$v/pca-last.gguf" --layers 3-4 --top 3
is "where it comes from" 0 '^  made for +ember$' ""
is "its tokens" 0 '^  layer 3 raises "Then" ("[^"]+" ?){2}$' ""
is "its tokens" 0 '^  layer 4 lowers "The" ' ""
is "cosines" 0 '^  3: 0\.9884 4: 0\.9923$' ""
grep -q 'layer 5' "$dir/out" && fail "--layers" "shows others" || pass
cp "$dir/out" "$dir/named"
run steer show "$dir/mean" "$v/pca-last.gguf" --layers 3-4 --top 3
cmp -s "$dir/out" "$dir/named" && pass || fail "of the embedded model" "another answer"
run steer show "$dir/mean"
is "one vector alone" 0 '^  scale +24 to begin with$' ""
run steer show "$ember"
is "nothing to show" 2 "" 'a model, then control vectors'
run steer show
is "nothing at all" 2 "" 'a model, then control vectors'
run steer show "$ember" "$data/steering/steer-llama-tied.a.gguf"
is "for another model" 2 "" 'have 64 values, the model.s rows 256'
# What is wrong with a vector is told, not that it is no model.
head -c 300 "$dir/mean" >"$dir/cut.gguf"
LC_ALL=C sed 's/glp\.mode/glp.mood/' "$v/ablate.gguf" >"$dir/no-mode.gguf"
run steer show "$dir/absent.gguf"
is "a file that is not there" 1 "" '^stoker steer show: .*absent\.gguf.* cannot be opened: No such file'
run steer show "$dir/cut.gguf"
is "a file cut off" 1 "" '^stoker steer show: .*cut\.gguf: the file ends in its header'
for more in "" "$dir/mean"; do
    run steer show "$dir/no-mode.gguf" $more
    is "a projection without its mode $more" 1 "" '^stoker steer show: .*no-mode\.gguf: it has keys of glp, and no glp\.mode'
done
run steer show "$dir/absent.gguf" "$dir/mean"
is "a model that is not there" 1 "" 'absent\.gguf.* cannot be opened: No such file'
run steer show "$ember" "$ember"
is "a model" 1 "" 'is a qwen3moe model, not a control vector'

# ---- convert: rows of a file without header -------------------------------------------------------------------------------------------
raw=$dir/rows.f32 # four layers of two values: 1 0, 3 4, 0 0, 0 -0.5
printf '\0\0\200\077\0\0\0\0\0\0\100\100\0\0\200\100\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\277' >"$raw"
convert="steer convert $raw --layers 4"
run $convert --mode add --name rows --license MIT -o "$f"
is "rows" 0 'f.gguf: add, layers 1-3, ' 'rows.f32: the direction of layer 0 is left out: a control vector cannot name it$'
run inspect "$f"
is "rows" 0 '^control vector: add at residual_stream_post_layer, 2 directions of 2 values, layers 1 to 3$' ""
is "rows: norms" 0 '^  norms +1: 5 3: 0\.5$' ""
is "rows: licence" 0 '^  licence +MIT$' ""
run $convert --mode project -o "$f"
run inspect "$f"
is "rows of a projection" 0 '^control vector: project at residual_stream_post_layer' ""
is "rows of a projection: norms" 0 '^  norms +1: 1 3: 1$' ""
run $convert --mode add --hook ffn -o "$f"
run inspect "$f"
is "rows behind the feed-forward" 0 '^control vector: add at ffn_out_pre_residual' ""
run $convert --mode project --hook attn -o "$f"
run inspect "$f"
is "rows behind attention" 0 '^control vector: project at attn_out_pre_residual' ""
rm -f "$f"
run steer convert "$raw" --layers 3 --mode add -o "$f"
is "rows that are no rows" 1 "" 'rows.f32: its 32 bytes are no 3 rows'
run steer convert "$raw" --layers 1 --mode add -o "$f"
is "one layer" 2 "" 'how many layers the file has: 2 or more'
run steer convert "$raw" --layers 1-4 --mode add -o "$f"
is "a range of layers" 2 "" 'how many layers the file has'
run steer convert "$raw" --layers x --mode add -o "$f"
is "no number of layers" 2 "" '--layers x: a layer or A-B'
run $convert -o "$f"
is "neither added nor projected" 2 "" 'convert needs F.f32, --layers N'
run steer convert "$dir/absent" --layers 4 --mode add -o "$f"
is "no such file" 1 "" 'absent'
printf '\0\0\300\177' | dd of="$raw" bs=1 seek=12 conv=notrunc 2>/dev/null
run $convert --mode add -o "$f"
is "a value that is no number" 1 "" 'value 1 of layer 1 is not finite'
head -c 32 /dev/zero >"$raw"
run $convert --mode add -o "$f"
is "zeros" 1 "" 'there is no direction'
none_left "what is not converted"

# ---- refused -------------------------------------------------------------------------------------------------------------------------
rm -f "$f"
run steer
is "nothing to do" 2 "" 'stoker steer: what shall it do\?'
run steer mak
is "a slip" 2 "" 'did you mean stoker steer make\?'
run steer make "$ember" --positive "$v/positive.txt" -o "$f"
is "one kind" 2 "" 'which texts\?'
run steer make "$ember" $texts
is "no file" 2 "" '-o needs a file that ends in .gguf'
run steer make "$ember" $texts -o "$dir/f.bin"
is "another ending" 2 "" '-o needs a file that ends in .gguf'
run steer make "$ember" $texts --method pca --norm raw -o "$f"
is "no length of its own" 2 "" '--norm raw is of --method mean'
run steer make "$ember" $texts --mode project --norm raw -o "$f"
is "a projection has unit directions" 2 "" 'leave --norm raw away'
run steer make "$ember" $texts --think on -o "$f"
is "--think without --chat" 2 "" '--think is of --chat'
for range in 0-3 3-6; do
    run steer make "$ember" $texts --layers $range -o "$f"
    is "--layers $range" 2 "" 'with --shift 0 layers 1 to 5 of the model can be named'
done
run steer make "$ember" $texts --shift 1 --layers 5-5 -o "$f"
is "--shift 1 --layers 5-5" 2 "" 'with --shift 1 layers 0 to 4 of the model can be named'
run steer make "$ember" --positive "$dir/absent" --negative "$v/negative.txt" -o "$f"
is "no such file" 1 "" '^stoker steer make: .*absent'
printf '\n\r\n' >"$dir/none"
run steer make "$ember" --positive "$dir/none" --negative "$v/negative.txt" -o "$f"
is "no prompt" 2 "" 'none has no prompt; one a line is expected'
printf 'fine\n\nC:\\qux\n' >"$dir/slash"
run steer make "$ember" --positive "$dir/slash" --negative "$v/negative.txt" -o "$f"
is "an escape that there is not" 2 "" 'slash, line 3: \\q is no escape'
run steer make "$ember" --positive "$v/positive.txt" --negative "$v/positive.txt" -o "$f"
is "the same texts" 2 "" 'layer 1: positive and negative rows are the same: there is no direction'
run steer make "$ember" $texts -o "$dir/no/such/f.gguf"
is "no such folder" 1 "" 'no file can be made in .*no/such: No such file'
run steer make "$ember" $texts --memory 1M -o "$f"
is "little memory" 2 "" 'needs at least'
run steer make "$ember" $texts --ctx 16 -o "$f"
is "prompts longer than the context" 2 "" '^stoker: '
run steer make "$ember" $texts --capture-memory 4k -o "$f"
is "little memory for rows" 2 "" 'raise --capture-memory'
none_left "what is refused"

# ---- failures leave nothing --------------------------------------------------------------------------------------------------------
for k in 1 8 12; do
    (ulimit -f "$k"; exec "$stoker" steer make "$ember" $texts --positions all -o "$f") >"$dir/out" 2>"$dir/err" </dev/null
    [ $? -eq 1 ] && grep -q 'File too large' "$dir/err" && pass || fail "a file that may have $k blocks" "$(cat "$dir/err")"
done
"$stoker" steer make "$ember" $texts --positions all --chunk 1 --exact --threads 1 -o "$f" </dev/null >"$dir/out" 2>"$dir/err" &
pid=$!
sleep 0.5
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
[ $status -eq 130 ] || [ $status -eq 143 ] || [ $status -eq 0 ] && pass || fail "a run that is ended" "status $status"
[ $status -eq 0 ] && rm -f "$f"
none_left "failures"
done_testing
