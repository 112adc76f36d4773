# Importance of the embedded model over a text: what is told and refused, the same bytes however it is computed and whatever ended in
# between, both forms, merging, and what quantize makes of it. Numbers: tests/importance.c.
. tests/cli/harness

model=models/ember/ember.gguf text=$dir/text o=$dir/i.gguf
head -c 6000 "$data/quantize/calib.txt" >"$text"
collect="imatrix $model -f $text --parse-special --ctx 64"
same() { # same WHAT: the file is the first one, and nothing is beside it
    cmp -s "$o" "$dir/first.gguf" && [ ! -e "$o.state" ] && [ ! -e "$o.part" ] && [ ! -e "$o.state.part" ] && pass ||
        fail "$1" "another file: $(ls "$o"* 2>&1 | tr '\n' ' ')"
    rm -f "$o"*
}

# ---- what is told ------------------------------------------------------------------------------------------------------------------
run $collect -o "$dir/first.gguf"
is "collecting" 0 '^layer  experts  least rows     median       most$' ""
is "its table" 0 '^ +5 +16 +[0-9]+ +[0-9]+ +[0-9]+' ""
is "its text" 0 '^PPL = [0-9.]+ \+/- [0-9.]+ over the second half of each chunk$' ""
is "its end" 0 'first\.gguf: 49 tensors, [0-9]+ chunks of 64 tokens$' ""
chunks=$(sed -n 's/.*: 49 tensors, \([0-9]*\) chunks.*/\1/p' "$dir/out")
[ "$chunks" -ge 20 ] && pass || fail "the text" "has $chunks chunks: too few for what follows"
run $collect -o "$o" --json
is "as JSON" 0 '^\{"path":"[^"]*","entries":49,"chunks":[0-9]+,"tokens":[0-9]+,"experts":\{"all":96,"without_rows":0,"with_few_rows":[0-9]+\},"ppl":[0-9.]+,"left_out":null\}$' ""
same "again"
run inspect "$dir/first.gguf" --metadata
is "its keys" 0 'imatrix\.chunk_size .*64' ""
is "its text's name" 0 'imatrix\.datasets .*text' ""
is "its text's hash" 0 "stoker\.imatrix\.text_sha256 .*$(sha256sum "$text" | cut -d ' ' -f 1)" ""
run $collect -o "$o" --chunks 2 --no-output --no-ppl
is "without the output" 0 '^not collected: token_embd\.weight$' ""
is "two chunks" 0 ': 48 tensors, 2 chunks of 64 tokens$' ""
is "few rows" 0 ' few rows: [0-9]' ""
is "of all" 0 '^[0-9]+ of 96 experts have seen no row, [0-9]+ fewer than 32: ' ""
rm -f "$o"
run $collect -o "$o" --until-count 40 --threads 1 --json
n=$(sed -n 's/.*"chunks":\([0-9]*\).*/\1/p' "$dir/out")
[ "${n:-0}" -gt 1 ] && [ "$n" -lt "$chunks" ] && pass || fail "--until-count" "ended after $n chunks"
mv "$o" "$dir/until.gguf"
run $collect -o "$o" --until-count 40 --threads 2 --memory min --json
cmp -s "$o" "$dir/until.gguf" && pass || fail "--until-count" "depends on memory"
rm -f "$o"

# Layers that predict further tokens are none of the text's way: named, and quantised as without importance.
run imatrix "$golden/glm4moe.gguf" -f "$text" --ctx 16 --chunks 2 -o "$dir/mtp.im"
is "layers that predict" 0 '^not collected: token_embd\.weight; 12 matrices of layers that predict further tokens \(from blk\.2 on\): ' ""
run quantize "$golden/glm4moe.gguf" "$dir/mtp.gguf" --type iq2_xs --pure --requantize --imatrix "$dir/mtp.im"
is "quantising them" 0 "bits a weight" 'mtp\.im has nothing of [0-9]+ tensors, blk\.2\..* first, whose layers predict further tokens'

# ---- the same bytes ------------------------------------------------------------------------------------------------------------------
for how in "--threads 1" "--threads 2 --memory min" "--chunk 16" "--chunk 512 --parallel 4" "--chunk 512 --parallel 1 --memory max" "--save-every 1"; do
    run $collect -o "$o" $how
    same "the same with $how"
done

# Killed again and again as soon as it has come on, until it is whole; that as often as it takes for twenty ends.
run $collect --ctx 16 -o "$dir/first.gguf" --force
ends=0 passes=0
while [ $ends -lt 20 ] && [ $passes -lt 20 ]; do
    passes=$((passes + 1))
    rm -f "$dir/whole"
    while [ ! -e "$dir/whole" ]; do
        before=$(ls -i "$o.state" 2>&1)
        "$stoker" $collect --ctx 16 -o "$o" --resume --save-every 1 --threads 1 >"$dir/out" 2>"$dir/err" &
        id=$!
        while kill -0 $id 2>/dev/null && [ "$(ls -i "$o.state" 2>&1)" = "$before" ]; do :; done
        [ $((ends % 2)) = 0 ] && signal=KILL || signal=INT
        kill -$signal $id 2>/dev/null
        if wait $id 2>/dev/null || { [ -e "$o" ] && [ ! -e "$o.state" ]; }; then
            : >"$dir/whole" # it may be killed when all is done
        else
            ends=$((ends + 1))
        fi
    done
    same "the same after $ends ends"
done
[ $ends -ge 20 ] && pass || fail "kills" "ended $ends runs only"
run $collect -o "$dir/first.gguf" --force

# ---- what is refused -----------------------------------------------------------------------------------------------------------------
run imatrix $model -o "$o"
is "without a text" 2 "" 'which text\? -f FILE'
run imatrix $model -f "$text"
is "without a file" 2 "" '-o FILE: where to\?'
cp "$dir/first.gguf" "$o"
run $collect -o "$o"
is "a file that is there" 2 "" 'i\.gguf is there; --force replaces it'
run $collect -o "$o" --resume
is "a whole one" 2 "" 'is whole, and nothing is left to go on with'
run $collect -o "$o" --force
same "--force"
stop_at_first() { # a run that is ended at its first snapshot
    "$stoker" $collect -o "$o" --save-every 1 --threads 1 >"$dir/out" 2>"$dir/err" &
    id=$!
    while kill -0 $id 2>/dev/null && [ ! -e "$o.state" ]; do :; done
    kill -KILL $id 2>/dev/null
    wait $id
}
stop_at_first
run $collect -o "$o"
is "an interrupted one" 2 "" 'i\.gguf\.state is of a run that did not end: --resume goes on, --force begins anew'
run $collect --kv f32 -o "$o" --resume
is "another's" 2 "" 'is of another run: .*; this run is of model [0-9a-f]+, text [0-9a-f]+, chunks of 64 from 0 on, numbers [0-9a-f]+, kv f32'
truncate -s -100 "$o.state"
run $collect -o "$o" --resume
is "a damaged one" 2 "" 'state is damaged; --force begins anew'
rm -f "$o"*
cp "$text" "$dir/twin"
run $collect -o "$text" --force
is "over the text" 2 "" '^stoker imatrix: -o .*text writes over .*text, which is read; name another file$'
ln -s "$PWD/$model" "$dir/link.gguf"
run $collect -o "$dir/link.gguf" --force
is "over the model" 2 "" '^stoker imatrix: -o .*link\.gguf writes over .*, which is read; name another file$'
cmp -s "$text" "$dir/twin" && pass || fail "over the text" "wrote"
run $collect --from-chunk 1000 -o "$o"
is "no chunk" 2 "" '--from-chunk 1000: the text has [0-9]+'
run $collect --ctx 512000 -o "$o"
is "a short text" 2 "" "stoker imatrix: .*tokens, a chunk 512000"
run $collect -o "$dir/none/i.gguf"
is "no folder" 2 "" 'none/i\.gguf cannot be written: No such file'
mkfifo "$dir/fifo"
run $collect -o "$dir/fifo" --force
is "no file" 2 "" 'fifo is no regular file'
run $collect -o "$dir" --force
is "a folder" 2 "" 'is a folder; name a file in it'
echo "of hours" >"$dir/q.gguf.part"
for what in "$collect" "imatrix --merge $dir/first.gguf"; do
    run $what -o "$dir/q.gguf"
    is "another's part" 2 "" 'q\.gguf\.part is there, of a run that did not end; --force replaces it'
done
[ "$(cat "$dir/q.gguf.part")" = "of hours" ] && pass || fail "another's part" "is changed"
rm "$dir/q.gguf.part" "$dir/fifo"
# Of two texts with fewer chunks of each the second one's have other numbers.
two="imatrix $model -f $text -f $dir/twin --ctx 16 -o $dir/two.gguf"
"$stoker" $two --chunks 30 --save-every 1 --threads 1 >"$dir/out" 2>"$dir/err" &
id=$!
while kill -0 $id 2>/dev/null && [ ! -e "$dir/two.gguf.state" ]; do :; done
kill -KILL $id 2>/dev/null
wait $id
run $two --chunks 31 --resume
is "other numbers of chunks" 2 "" 'is of another run: of another model or text, or cut otherwise'

# ---- forms and merging -----------------------------------------------------------------------------------------------------------------
run $collect --chunks 10 -o "$dir/a.gguf"
is "the first half" 0 '10 chunks' ""
run $collect --from-chunk 10 -o "$dir/b.gguf"
is "the second half" 0 "$((chunks - 10)) chunks" ""
run imatrix --merge "$dir/a.gguf" "$dir/b.gguf" --ctx 64 -o "$o"
is "merging" 0 'i\.gguf: 49 tensors, of 2 files$' ""
run imatrix --merge "$dir/a.gguf" "$dir/b.gguf" --ctx 64 -o "$dir/m.gguf" --json
is "merging, as JSON" 0 '^\{"path":"[^"]*m\.gguf","entries":49,"chunks":[0-9]+,"files":2,"experts":\{"all":96,"without_rows":0,"with_few_rows":[0-9]+\}\}$' ""
[ "$(wc -l <"$dir/out")" -eq 1 ] && cmp -s "$o" "$dir/m.gguf" && pass || fail "merging, as JSON" "prints more, or writes another file"
rm "$dir/m.gguf"
run inspect "$o" --metadata
is "the texts of both" 0 'imatrix\.datasets .*text.*text' ""
quant() { # quant IMPORTANCE OUT
    run quantize $model "$2" --type IQ2_XS --effort fast --requantize --imatrix "$1" --threads 2 --force
}
run $collect --format dat -o "$dir/first.dat"
is "the older form" 0 'first\.dat: 49 tensors' ""
[ "$(head -c 4 "$dir/first.dat" | od -An -tu4 | tr -d ' ')" = 49 ] && pass || fail "the older form" "begins otherwise"
run imatrix --merge "$dir/first.dat" "$dir/a.gguf" --ctx 64 -o "$dir/mixed.dat" --format dat
is "merging an old file" 0 'mixed\.dat: 49 tensors, of 2 files$' ""
quant "$dir/first.gguf" "$dir/q1.gguf"
is "quantising by it" 0 'bits a weight' ""
run inspect "$dir/q1.gguf" --metadata
grep -q -e --prior "$dir/out" && fail "the usual prior" "is noted" || pass
run quantize $model "$dir/q4.gguf" --type IQ2_XS --effort fast --requantize --imatrix "$dir/first.gguf" --prior 7.5
is "a prior" 0 'bits a weight' ""
run inspect "$dir/q4.gguf" --metadata
is "a prior in the output" 0 'stoker\.quantize\.recipe .* --prior 7\.5' ""
quant "$o" "$dir/q2.gguf"
is "quantising by what was merged" 0 'bits a weight' ""
quant "$dir/mixed.dat" "$dir/q3.gguf"
is "quantising by an old file" 0 'bits a weight' ""
# ---- an expert that no row goes to --------------------------------------------------------------------------------------------------
cp $model "$dir/dead.gguf"
"${BUILD:-build}/tests/quantize" dead "$dir/dead.gguf" || exit 1
run imatrix "$dir/dead.gguf" -f "$text" --parse-special --ctx 64 -o "$dir/dead.im"
is "a dead expert" 0 '^    2       16          0 .*  no rows: 15$' ""
is "a dead expert, counted" 0 '^1 of 96 experts have seen no row, ' ""
run quantize "$dir/dead.gguf" "$dir/dead-q.gguf" --type iq2_xs --effort fast --requantize --imatrix "$dir/dead.im" --dry-run
is "its table, by layer" 0 '^    2       16          0 .*  no rows: 15$' 'dead\.im: 1 experts saw no row \(of blk\.2\.ffn_gate_exps\.weight first\)'
grep -q '^    1       16 ' "$dir/out" && pass || fail "--dry-run" "has no other layers"
run quantize "$dir/dead.gguf" "$dir/dead-q.gguf" --type iq2_xs --effort fast --requantize --imatrix "$dir/dead.im" --dry-run --json
grep -q '"layer":2,"experts":16,"least":0.0,.*"without_rows":\[15\]' "$dir/out" && pass || fail "--dry-run --json" "does not name it"
run quantize "$dir/dead.gguf" "$dir/dead-q.gguf" --type iq2_xs --effort fast --requantize --imatrix "$dir/dead.im"
is "quantised" 0 '^    2       16          0 .*  no rows: 15$' 'take after their neighbours'
[ "$(grep -c '^    [0-9]' "$dir/out")" -eq 1 ] && pass || fail "quantised" "tells of layers that lack nothing"
run run "$dir/dead-q.gguf" -p "hello" -n 4 --temp 0
is "stoker run, a dead expert" 0 . ""

# ---- what a file says ----------------------------------------------------------------------------------------------------------------
put() { # put NAME A B C D: an entry of an old file; values of 1 to 4
    printf "\\$(printf %03o ${#1})"'\0\0\0%s\1\0\0\0\4\0\0\0' "$1"
    shift
    for v; do
        case $v in 1) printf '\0\0\200\77' ;; 2) printf '\0\0\0\100' ;; 3) printf '\0\0\100\100' ;; 4) printf '\0\0\200\100' ;; esac
    done
}
{
    printf '\2\0\0\0'
    put blk.0.ffn_up.weight 1 2 3 4
    put blk.1.ffn_up.weight 4 3 2 1
} >"$dir/s.dat"
run imatrix --stats "$dir/s.dat"
is "--stats" 0 '^blk\.0\.ffn_up\.weight +4 +512 +10 +1 +4 +2\.5 +1\.118 +25\.00% +1\.8464 +-$' ""
is "--stats, the layer before" 0 '^blk\.1\.ffn_up\.weight +4 +512 +10 +1 +4 +2\.5 +1\.118 +25\.00% +1\.8464 +0\.6667$' ""
run imatrix --stats "$dir/dead.im"
is "--stats, experts" 0 '^    2       16          0 .*  no rows: 15$' ""
run imatrix --stats "$dir/dead.im" --json
is "--stats --json" 0 '"layer":2,"experts":16,"least":0.0,.*"without_rows":\[15\]' ""
run imatrix --merge "$data/quantize/imatrix_ember.dat" "$data/quantize/imatrix_ember.gguf" -o "$dir/both.gguf"
is "a peer's old file, merged" 0 'both\.gguf: 48 tensors, of 2 files$' ""
run imatrix --stats "$dir/both.gguf"
is "its rows" 0 '^blk\.0\.attn_k\.weight +256 +36864 ' ""
(ulimit -n 40 && exec "$stoker" imatrix --merge $(seq 60 | sed "s|.*|$dir/s.dat|") -o "$dir/sixty.gguf") >"$dir/out" 2>"$dir/err"
status=$?
is "more files than may be open" 0 'sixty\.gguf: 2 tensors, of 60 files$' ""
run imatrix --stats
is "--stats of nothing" 2 "" '--stats: which file\? one'
run imatrix --stats "$dir/s.dat" -o "$dir/x"
is "--stats with -o" 2 "" '--stats reads one file of importance'
run imatrix --stats --merge "$dir/s.dat" -o "$dir/x"
is "--stats with --merge" 2 "" 'two things to do'
run imatrix --stats $model
is "--stats of a model" 2 "" 'no file of importance'

run imatrix --merge "$dir/none.gguf" -o "$dir/m.gguf"
is "merging nothing" 2 "" 'none\.gguf'
run imatrix --merge "$model" -o "$dir/m.gguf"
is "merging a model" 2 "" 'no file of importance'
done_testing
