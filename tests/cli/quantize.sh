# stoker quantize: what is written is what was decided; killed, starved and disturbed runs go on to the same bytes.
. tests/cli/harness

helper=${BUILD:-build}/tests/quantize
out=$dir/out.gguf
for kind in mixed small bytes; do "$helper" make $kind "$dir/$kind.gguf" || exit 1; done
small=$dir/small.gguf mixed=$dir/mixed.gguf

same() { # same WHAT A B
    cmp -s "$2" "$3" && pass || fail "$1" "$2 and $3 differ"
}
compares() { # compares WHAT IN OUT TYPE
    "$helper" compare "$2" "$3" "$4" >"$dir/out" 2>"$dir/err" && pass || fail "$1" "the values are not those of the source"
}
nothing() { # nothing WHAT FILE...: none of them is there
    what=$1
    shift
    for f; do [ ! -e "$f" ] || { fail "$what" "$f is there" && return; }; done
    pass
}
limited() { # limited BLOCKS ARGUMENT...: run with files of at most so many 512 bytes
    blocks=$1
    shift
    (ulimit -f "$blocks"; exec "$stoker" "$@") >"$dir/out" 2>"$dir/err"
    status=$?
}
count() { # count NAME: a number of the last run's JSON
    sed -nE "s/.*\"$1\":([0-9]+).*/\1/p" "$dir/out"
}

# Every type: the values, the bytes that --dry-run names, the same with other threads and memory.
for type in f32 f16 bf16 q8_0 keep; do
    run quantize "$small" "$out" --type $type --dry-run --json
    is "--dry-run $type" 0 '"file_type":' ""
    bytes=$(sed -E 's/^\{"recipe":"[^"]*","bytes":([0-9]+).*/\1/' "$dir/out")
    nothing "--dry-run $type" "$out" "$out.part" "$dir/out.gguf.journal"
    run quantize "$small" "$out" --type $type --json
    is "$type" 0 '^\{"path":' ""
    [ "$(stat -c %s "$out")" = "$bytes" ] && pass || fail "$type" "--dry-run said $bytes bytes"
    nothing "$type" "$out.part" "$out.journal"
    compares "$type" "$small" "$out" $type
    for more in "--threads 1" "--threads 5 --memory min"; do
        run quantize "$small" "$dir/other.gguf" --type $type $more --force
        is "$type $more" 0 "bits a weight" ""
        same "$type $more" "$out" "$dir/other.gguf"
    done
    rm "$out"
done
run quantize "$small" "$out" --type q8_0 --dry-run
is "--dry-run in words" 0 '^blk.0.attn_q.weight +512 x 64 +bf16 +q8_0 +34816  base$' ""
grep -qE '^blk.0.ffn_gate_inp.weight +512 x 4 +f32 +f32 +8192  protected: a router$' "$dir/out" && pass || fail "--dry-run" "the router"
grep -qE '^memory: [0-9.]+ MiB of 1.00 GiB \(code .*slabs .*\); [0-9]+ threads?$' "$dir/out" && pass || fail "--dry-run" "the plan"
grep -qE '^experts +2 +' "$dir/out" && pass || fail "--dry-run" "the parts of the model"
grep -qE '^time: some [0-9]+ s of encoding where nothing else runs; meanwhile [0-9.]+ [KM]iB are read, and [0-9.]+ [KM]iB written$' "$dir/out" && pass || fail "--dry-run" "the time"

# Effort and gain: other bytes of the same number, which the file tells of; neither threads nor memory change them.
run quantize "$small" "$out" --type q4_k
for more in "--effort fast" "--gain off" "--effort max"; do
    run quantize "$small" "$dir/other.gguf" --type q4_k $more --force
    is "$more" 0 "bits a weight" ""
    cmp -s "$out" "$dir/other.gguf" && fail "$more" "changes nothing" || pass
    cp "$dir/other.gguf" "$dir/first.gguf"
    run quantize "$small" "$dir/other.gguf" --type q4_k $more --threads 3 --memory min --force
    same "$more, three threads" "$dir/first.gguf" "$dir/other.gguf"
    run inspect "$dir/other.gguf" --metadata
    is "$more is told" 0 "^  stoker.quantize.recipe +--type q4_k $more\$" ""
done
run quantize "$small" "$dir/other.gguf" --type q4_k --effort normal --gain on --force
same "the defaults by name" "$out" "$dir/other.gguf"
run quantize "$small" "$dir/other.gguf" --type q4_k --effort most
is "--effort most" 2 "" "fast|normal|max"
rm "$out" "$dir/other.gguf" "$dir/first.gguf"

# Importance: half of a tensor's columns count for nothing. The file that says so is told; one of other shapes, or cut short, is refused.
printf '\1\0\0\0\23\0\0\0blk.0.attn_q.weight\1\0\0\0\0\2\0\0' >"$dir/im.dat"
head -c 1024 /dev/zero >>"$dir/im.dat"
for _ in $(seq 256); do printf '\0\0\200\77'; done >>"$dir/im.dat"
run quantize "$small" "$out" --type q4_k
run quantize "$small" "$dir/other.gguf" --type q4_k --imatrix "$dir/im.dat"
is "--imatrix" 0 "bits a weight" "has nothing of [0-9]+ tensors"
cmp -s "$out" "$dir/other.gguf" && fail "--imatrix" "changes nothing" || pass
run inspect "$dir/other.gguf" --metadata
for line in 'quantize.imatrix.file +im.dat' 'quantize.imatrix.entries_count +1' 'stoker.quantize.imatrix.sha256 +[0-9a-f]{64}'; do
    grep -qE "^  $line\$" "$dir/out" && pass || fail "--imatrix" "no $line"
done
run quantize "$small" "$dir/first.gguf" --type q4_k --imatrix "$dir/im.dat" --threads 3 --memory min
same "--imatrix, three threads" "$dir/first.gguf" "$dir/other.gguf"
sed 's/attn_q/attn_v/' "$dir/im.dat" | head -c 1000 >"$dir/cut.dat"
run quantize "$dir/other.gguf" "$dir/kept.gguf" --type keep --imatrix "$dir/im.dat"
is "--imatrix of a file that has one" 0 "bits a weight" ""
run inspect "$dir/kept.gguf" --metadata
is "--imatrix of a file that has one, read" 0 '^  quantize.imatrix.file +im.dat' ""
rm "$dir/kept.gguf"
cp "$dir/im.dat" "$dir/twin.dat"
run quantize "$small" "$dir/im.dat" --type q4_k --imatrix "$dir/im.dat" --force
[ $status = 2 ] && grep -q 'im.dat, which is read; name another file$' "$dir/err" && pass || fail "an output that is read" "is not refused"
cmp -s "$dir/im.dat" "$dir/twin.dat" && pass || fail "an output that is read" "is written over"
run quantize "$small" "$dir/no.gguf" --type q4_k --imatrix "$dir/cut.dat"
is "--imatrix of a cut file" 2 "" "cut.dat: it ends within entry 1"
(printf '\1\0\0\0\23\0\0\0blk.0.attn_q.weight\1\0\0\0\1\0\0\0\0\0\200\77') >"$dir/cut.dat"
run quantize "$small" "$dir/no.gguf" --type q4_k --imatrix "$dir/cut.dat"
is "--imatrix of another model" 2 "" "it is of another model: blk.0.attn_q.weight has 1 x 1 columns there"
rm "$out" "$dir/other.gguf" "$dir/first.gguf"

# Importance is read a tensor at a time: the file as a whole would not fit.
"$helper" make experts "$dir/experts.gguf" && "$helper" importance "$dir/experts.gguf" "$dir/experts.im" || exit 1
run quantize "$dir/experts.gguf" "$out" --type q4_k --effort fast --imatrix "$dir/experts.im" --memory min --json
is "much importance" 0 '"parts":1' ""
[ "$(count peak)" -le "$(count memory)" ] && pass || fail "much importance" "takes $(count peak) bytes, $(count memory) planned"
[ "$(count memory)" -lt "$(stat -c %s "$dir/experts.im")" ] && pass || fail "much importance" "$(count memory) bytes are planned"
cp "$out" "$dir/first.gguf"
run quantize "$dir/experts.gguf" "$out" --type q4_k --effort fast --imatrix "$dir/experts.im" --threads 3 --force
same "much importance, three threads" "$dir/first.gguf" "$out"
rm "$dir"/experts.* "$dir/first.gguf" "$out"

# A run goes on with the importance that it began with.
"$helper" importance "$mixed" "$dir/one.im" && cp "$dir/one.im" "$dir/other.im" && printf 'x' >>"$dir/other.im" || exit 1
limited 20000 quantize "$mixed" "$out" --type q8_0 --imatrix "$dir/one.im"
is "importance, a full disk" 1 "" "to go on: stoker quantize"
run quantize "$mixed" "$out" --type q8_0 --imatrix "$dir/other.im" --resume
is "--resume with another importance" 2 "" "there it is \"importance [0-9a-f]{64} one.im\", now \"importance [0-9a-f]{64} other.im\""
run quantize "$mixed" "$out" --type q8_0 --imatrix "$dir/one.im" --resume
is "--resume with the same" 0 "bits a weight" ""
rm "$dir"/*.im "$out"

# Where it came from.
run quantize "$small" "$out" --type q8_0
run inspect "$out" --metadata
is "provenance" 0 '^  stoker.quantize.recipe +--type q8_0$' ""
for line in 'stoker.quantize.version +stoker [0-9].*, encoders [0-9]+' 'stoker.quantize.source.name +\["small.gguf"\]' \
    "stoker.quantize.source.size +\[$(stat -c %s "$small")\]" 'stoker.quantize.source.header_xxh3 +\[[0-9]+\]' \
    'general.file_type +7' 'general.quantization_version +2' 'general.tags +\["a", "bc"\]'; do
    grep -qE "^  $line\$" "$dir/out" && pass || fail "provenance" "no $line"
done
run quantize "$out" "$dir/again.gguf" --type keep
run inspect "$dir/again.gguf" --metadata
[ "$(grep -c 'stoker.quantize.recipe' "$dir/out")" -eq 1 ] && grep -q 'recipe *--type keep$' "$dir/out" && pass ||
    fail "provenance of a copy" "is not its own"
run quantize "$small" "$dir/aligned.gguf" --type q8_0 --align 4096
run inspect "$dir/aligned.gguf" --tensors
[ "$(awk 'NF > 5 && $NF % 4096' "$dir/out" | wc -l)" -eq 0 ] && pass || fail "--align" "tensors begin elsewhere"
compares "--align" "$small" "$dir/aligned.gguf" q8_0

# A name that is no text, and no licence.
run quantize "$dir/bytes.gguf" "$out" --type q8_0 --dry-run --json --rule '\.'"$(printf '\377')"'=keep'
grep -q '"name":"blk.1.??.weight","shape":\[512\]' "$dir/out" && pass || fail "a name that is no UTF-8" "is not in --json"
grep -qF '"recipe":"--type q8_0 --rule '"'"'\\.?=keep'"'"'"' "$dir/out" && pass || fail "a rule that is no UTF-8" "is not in --json"
run quantize "$dir/bytes.gguf" "$dir/other.gguf" --type q8_0
is "no licence" 0 "bits a weight" "bytes.gguf names no licence \(general.license\), so the output will not name one either$"
rm "$dir/other.gguf"

# Parts out, parts in.
run quantize "$small" "$dir/s.gguf" --type q8_0 --split-max-size 100KiB --dry-run --json
n=$(sed 's/.*"parts":\[//; s/\],"plan.*//' "$dir/out" | grep -o '"path"' | wc -l)
run quantize "$small" "$dir/s.gguf" --type q8_0 --split-max-size 100KiB
is "--split-max-size" 0 "^$dir/s-00001-of-0000$n.gguf and its parts: " ""
[ "$n" -gt 2 ] && [ "$(ls "$dir"/s-*-of-*.gguf | wc -l)" -eq "$n" ] && pass || fail "--split-max-size" "parts are missing"
[ "$(stat -c %s "$dir"/s-*.gguf | awk '$1 > 102400' | wc -l)" -eq 0 ] && pass || fail "--split-max-size" "a part is larger"
compares "--split-max-size" "$small" "$dir/s-00001-of-0000$n.gguf" q8_0
run quantize "$dir/s-00001-of-0000$n.gguf" "$dir/kept.gguf" --type keep --keep-split
is "--keep-split" 0 "kept-00001-of-0000$n.gguf and its parts" ""
compares "--keep-split" "$dir/s-00001-of-0000$n.gguf" "$dir/kept-00001-of-0000$n.gguf" keep
run quantize "$dir/s-00001-of-0000$n.gguf" "$dir/joined.gguf" --type keep
compares "a split model joined" "$out" "$dir/joined.gguf" keep

# --hash-source: of each file, in the bytes that --dry-run tells.
run quantize "$dir/s-00001-of-0000$n.gguf" "$dir/joined.gguf" --type keep --hash-source --dry-run --json
bytes=$(sed -E 's/^\{"recipe":"[^"]*","bytes":([0-9]+).*/\1/' "$dir/out")
run quantize "$dir/s-00001-of-0000$n.gguf" "$dir/joined.gguf" --type keep --hash-source --force
is "--hash-source" 0 "bits a weight" ""
[ "$(stat -c %s "$dir/joined.gguf")" = "$bytes" ] && pass || fail "--hash-source" "--dry-run said $bytes bytes"
run inspect "$dir/joined.gguf" --metadata
is "--hash-source, shown" 0 "^  stoker.quantize.source.sha256 +\[\"[0-9a-f]{40}" ""
for part in "$dir"/s-*-of-*.gguf; do
    grep -qaF "$(sha256sum "$part" | cut -c1-64)" "$dir/joined.gguf" && pass || fail "--hash-source" "no sum of $part"
done

# Keys that leave no room for the first tensor have a part of their own, which --keep-split keeps.
limited 300 quantize "$ember" "$dir/w.gguf" --type keep --split-max-size 1200000
is "a part of keys, a full disk behind it" 1 "" "w-00002-of-00014.gguf.part: writing failed: File too large; to go on"
run quantize "$ember" "$dir/w.gguf" --type keep --split-max-size 1200000 --resume
is "a part of keys" 0 "^$dir/w-00001-of-00014.gguf and its parts: " ""
[ "$(stat -c %s "$dir"/w-*.gguf | awk '$1 > 1200000' | wc -l)" -eq 0 ] && pass || fail "a part of keys" "a part is larger than asked for"
compares "a part of keys" "$ember" "$dir/w-00001-of-00014.gguf" keep
run quantize "$dir/w-00001-of-00014.gguf" "$dir/v.gguf" --type keep --keep-split
is "a part of keys, kept" 0 "^$dir/v-00001-of-00014.gguf and its parts: " ""
compares "a part of keys, kept" "$ember" "$dir/v-00001-of-00014.gguf" keep
[ "$(stat -c %s "$dir/v-00001-of-00014.gguf")" -lt 150000 ] && pass || fail "a part of keys, kept" "has tensors"
run run "$dir/v-00001-of-00014.gguf" -p "hello" -n 4 --temp 0
is "stoker run, a part of keys" 0 "." ""
rm "$dir"/[vw]-*

# The engine reads them.
run quantize "$ember" "$dir/ember.gguf" --type q8_0 --requantize
is "the embedded model" 0 "bits a weight" ""
run run "$dir/ember.gguf" -p "hello" -n 8 --temp 0
is "stoker run" 0 "ember" ""
run quantize "$ember" "$dir/e.gguf" --type keep --split-max-size 4MiB
run run "$ember" -p "hello" -n 24 --temp 0
cp "$dir/out" "$dir/whole"
run run "$dir"/e-00001-of-*.gguf -p "hello" -n 24 --temp 0
is "stoker run, split" 0 "ember" ""
same "stoker run, split" "$dir/out" "$dir/whole"

for preset in Q2_K Q3_K_L Q4_K_M Q5_K_S Q6_K Q4_0 Q5_1 IQ4_XS IQ4_NL MXFP4_MOE NVFP4 TQ1_0 TQ2_0 Q1_0; do
    run quantize "$ember" "$dir/p.gguf" --type $preset --requantize --dry-run --json
    bytes=$(sed -E 's/^\{"recipe":"[^"]*","bytes":([0-9]+).*/\1/' "$dir/out")
    run quantize "$ember" "$dir/p.gguf" --type $preset --requantize
    is "$preset" 0 "bits a weight" ""
    [ "$(stat -c %s "$dir/p.gguf")" = "$bytes" ] && pass || fail "$preset" "--dry-run said $bytes bytes"
    run quantize "$ember" "$dir/q.gguf" --type $preset --requantize --threads 3 --memory min
    same "$preset with other threads" "$dir/p.gguf" "$dir/q.gguf"
    run run "$dir/p.gguf" -p "hello" -n 2 --temp 0
    [ "$status" -eq 0 ] && [ ! -s "$dir/err" ] && pass || fail "stoker run, $preset" "status $status"
    rm "$dir/p.gguf" "$dir/q.gguf"
done

for type in iq1_s iq1_m iq2_xxs iq2_xs iq2_s iq3_xxs iq3_s; do # every point of a grid takes its time: fewer weights
    run quantize "$small" "$dir/p.gguf" --type $type --no-imatrix-ok --pure
    is "$type" 0 "bits a weight" ""
    run quantize "$small" "$dir/q.gguf" --type $type --no-imatrix-ok --pure --threads 3 --memory min
    same "$type with other threads" "$dir/p.gguf" "$dir/q.gguf"
    run check "$dir/p.gguf"
    is "check, $type" 0 "all are numbers" ""
    rm "$dir/p.gguf" "$dir/q.gguf"
done

# What is refused before anything is written.
refused() { # refused WHAT SENTENCE ARGUMENT...
    what=$1 sentence=$2
    shift 2
    run quantize "$@"
    is "$what" 2 "" "$sentence"
    nothing "$what" "$dir/new.gguf" "$dir/new.gguf.part" "$dir/new.gguf.journal"
}
new=$dir/new.gguf
refused "no --type" "^stoker: --type NAME is needed" "$small" "$new"
refused "another type" "^stoker: --type q9_9: neither a preset nor a block type has this name" "$small" "$new" --type q9_9
refused "one file" "^stoker quantize: name a model and the file to write" "$small" --type q8_0
refused "no source" "none.gguf: cannot be opened" "$dir/none.gguf" "$new" --type q8_0
refused "the source itself" "small.gguf is .*small.gguf itself, which is read" "$small" "$small" --type q8_0 --force
ln "$small" "$dir/linked.gguf"
refused "a link to the source" "linked.gguf is .*small.gguf itself, which is read" "$small" "$dir/linked.gguf" --type q8_0 --force
refused "a folder" "is a folder" "$small" "$dir" --type q8_0
refused "no folder" "there is no such folder" "$small" "$dir/none/new.gguf" --type q8_0
refused "a file system that takes none" "^stoker: /proc/new.gguf" "$small" /proc/new.gguf --type q8_0
refused "there already" "out.gguf is there already; --force replaces it" "$small" "$out" --type q8_0
refused "quantised already" "is quantised already \(q8_0\): f16 out of it has the errors of both" "$out" "$new" --type f16
refused "--align 48" "a power of two" "$small" "$new" --type q8_0 --align 48
refused "too little memory" "^stoker: --memory 1 MiB is too little for .*: [0-9]+ MiB are the least" "$small" "$new" --type q8_0 --memory 1MiB
refused "the name of a part" "a name of one part" "$small" "$dir/x-00001-of-00002.gguf" --type q8_0
head -c 300000 "$small" >"$dir/cut.gguf"
refused "a cut source" "reaches past the end of the file" "$dir/cut.gguf" "$new" --type q8_0
rm "$dir/kept-00002-of-0000$n.gguf"
refused "a missing part" "kept-00002-of-0000$n.gguf" "$dir/kept-00001-of-0000$n.gguf" "$new" --type keep
: >"$dir/kept-00002-of-0000$n.gguf"
refused "an empty part" "the file is empty" "$dir/kept-00001-of-0000$n.gguf" "$new" --type keep
echo other >"$dir/foreign.gguf.part"
refused "somebody else's .part" "foreign.gguf.part is there, and no .*foreign.gguf.journal says whose" "$small" "$dir/foreign.gguf" --type q8_0
nothing "somebody else's .part" "$dir/foreign.gguf.journal"
[ "$(cat "$dir/foreign.gguf.part")" = other ] && pass || fail "somebody else's .part" "has changed"
run quantize "$small" "$dir/foreign.gguf" --type q8_0 --force
is "somebody else's .part, --force" 0 "bits a weight" ""
same "somebody else's .part, --force" "$out" "$dir/foreign.gguf" 2>/dev/null

# Numbers that are none, by tensor, row and column.
for kind in nan:NaN inf:Inf; do
    "$helper" make ${kind%:*} "$dir/bad.gguf"
    run quantize "$dir/bad.gguf" "$new" --type q8_0 --threads 3
    is "${kind#*:}" 1 "" "^stoker: .*bad.gguf: blk.1.attn_q.weight has ${kind#*:} in row 37, column 201: the file is damaged$"
    nothing "${kind#*:}" "$new"
    rm "$new".*
done
"$helper" make large "$dir/bad.gguf"
run quantize "$dir/bad.gguf" "$new" --type f16
is "beyond f16" 1 "" "has 70000 in row 37, column 201, more than f16 holds; bf16 or f32 do$"
rm "$new".*
"$helper" make tiny "$dir/bad.gguf"
run quantize "$dir/bad.gguf" "$new" --type f16 --threads 3
is "too small for f16" 0 "bits a weight" "^stoker: warning: .*bad.gguf: values too small for f16 became 0, blk.1.attn_q.weight has the first of 1; bf16 and f32 hold them$"
rm "$new"
limited 300 quantize "$dir/bad.gguf" "$new" --type f16
is "too small for f16, and a full disk" 1 "" "writing failed"
grep -q 'too small for f16' "$dir/err" && fail "too small for f16, and a full disk" "is told of a part" || pass
run quantize "$dir/bad.gguf" "$new" --type f16 --resume
is "too small for f16, and more" 0 "bits a weight" "became 0, blk.1.attn_q.weight has the first of 1 since the run was resumed; bf16 and f32 hold them$"
run quantize "$dir/bad.gguf" "$new" --type bf16 --force
is "small, and bf16" 0 "bits a weight" ""
rm "$new"

# A hundred thousand tensors.
"$helper" make many "$dir/many.gguf"
run quantize "$dir/many.gguf" "$dir/many-q8.gguf" --type q8_0 --memory 128MiB --json
is "100,000 tensors" 0 '"parts":1' ""
[ "$(count peak)" -le "$(count memory)" ] && pass || fail "100,000 tensors" "more memory than the plan"
compares "100,000 tensors" "$dir/many.gguf" "$dir/many-q8.gguf" q8_0
"$helper" importance "$dir/many.gguf" "$dir/many.im" || exit 1
run quantize "$dir/many.gguf" "$dir/many-im.gguf" --type q8_0 --imatrix "$dir/many.im" --memory min --json
is "100,000 tensors with importance" 0 '"parts":1' ""
[ "$(count peak)" -le "$(count memory)" ] && pass || fail "100,000 tensors with importance" "more memory than the plan"
rm "$dir"/many*

# Files that may not grow, at 5 places: one sentence, and the rest comes later.
run quantize "$mixed" "$out" --type bf16 --force --json
is "the whole" 0 '"parts":1' ""
[ "$(count peak)" -le "$(count memory)" ] && pass || fail "the whole" "more memory than the plan"
compares "the whole" "$mixed" "$out" bf16
size=$(stat -c %s "$out")
for part in 1 20 50 80 99; do
    limited $((size / 512 * part / 100)) quantize "$mixed" "$new" --type bf16
    is "a full disk at $part %" 1 "" "^stoker: .*new.gguf.part: writing failed: File too large; to go on: stoker quantize .* --type bf16 --resume$"
    nothing "a full disk at $part %" "$new"
    run quantize "$mixed" "$new" --type bf16
    is "another run after $part %" 2 "" "new.gguf.journal is of a run that has not ended: --resume goes on with it"
    run quantize "$mixed" "$new" --type bf16 --resume --json
    is "a full disk at $part %, then more" 0 '"resumed":' ""
    [ $part -lt 20 ] || [ "$(count resumed)" -gt 16000000 ] && pass || fail "a full disk at $part %" "what was done is done again"
    same "a full disk at $part %, then more" "$out" "$new"
    rm "$new"
done

# What cannot be resumed, and why.
limited $((size / 512 / 2)) quantize "$mixed" "$new" --type bf16
run quantize "$mixed" "$new" --type q8_0 --resume
is "--resume of another recipe" 2 "" "new.gguf.journal is of another run: there it is \"recipe --type bf16\", now \"recipe --type q8_0\""
run quantize "$mixed" "$new" --type bf16 --align 64 --resume
is "--resume with another alignment" 2 "" "there it is \"alignment 32\", now \"alignment 64\""
run quantize "$mixed" "$new" --type bf16 --imatrix "$dir/im.dat" --resume
is "--resume with importance" 2 "" "there it is \"importance none\", now \"importance [0-9a-f]{64} im.dat\""
touch "$mixed"
run quantize "$mixed" "$new" --type bf16 --resume
is "--resume with another source" 2 "" "there it is \"source-time "
run quantize "$mixed" "$new" --type bf16 --force
is "--force" 0 "bits a weight" ""
compares "--force" "$mixed" "$new" bf16
limited $((size / 512 / 2)) quantize "$mixed" "$new" --type bf16 --force
same "--force leaves what was there until the new is whole" "$out" "$new"
printf 'x' | dd of="$new.part" bs=1 seek=$((size / 2 - 20000000)) conv=notrunc status=none
tail -n 1 "$new.journal" >"$dir/line"
from=$(cut -d' ' -f5 "$dir/line")
printf 'x' | dd of="$new.part" bs=1 seek=$((from + 5)) conv=notrunc status=none
run quantize "$mixed" "$new" --type bf16 --resume
is "--resume over an older OUT" 2 "" "is there already"
rm "$new"
run quantize "$mixed" "$new" --type bf16 --resume
is "--resume of a changed .part" 2 "" "new.gguf.part is not what its journal says of bytes"
rm "$new".*
run quantize "$mixed" "$new" --type q8_0
limited $((size / 512 / 2)) quantize "$mixed" "$new" --type bf16 --force
grep -q -- '--type bf16 --force --resume$' "$dir/err" && pass || fail "--force that is interrupted" "does not say how to go on"
run quantize "$mixed" "$new" --type bf16 --force --resume
is "--resume --force" 0 "bits a weight" ""
same "--resume --force" "$out" "$new"
rm "$new"

# Journals that nobody wrote so: what does not follow from the lines before and from the layout counts as absent.
limited $((size / 512 / 2)) quantize "$mixed" "$new" --type bf16
cp "$new.journal" "$dir/journal"
set -- $(tail -n 1 "$new.journal") # done TENSOR UNIT PART FROM TO HASH CHECK
for line in "done $2 99999999 $4 $6 $6 0000000000000000" "done 99999 0 $4 $6 $6 0000000000000000" "done $2 $3 $4 0 0 0000000000000000" \
    "done $2 $3 7 $6 $6 0000000000000000" "done $2 18446744073709551615 $4 $6 $6 0000000000000000"; do
    cp "$dir/journal" "$new.journal"
    cp "$new.part" "$dir/part"
    "$helper" line "$new.journal" "$line"
    run quantize "$mixed" "$new" --type bf16 --resume
    is "a journal with \"$line\"" 0 "bits a weight" ""
    same "a journal with \"$line\"" "$out" "$new"
    mv "$dir/part" "$new.part"
    rm "$new"
done
rm "$new".*
sed 's/^begin$/bogin/' "$dir/journal" >"$new.journal"
run quantize "$mixed" "$new" --type bf16 --resume
is "a damaged head" 2 "" "new.gguf.journal is damaged, or of another run that had just begun; --force begins anew"
sed 's/^begin$/bogin/' "$dir/journal" | cmp -s - "$new.journal" && pass || fail "a damaged head" "the journal is changed"
# Killed when all was written, before it had its name: what is there is held against the last line.
cp "$dir/journal" "$new.journal"
set -- $(tail -n 1 "$new.journal")
whole=$(stat -c %s "$out")
"$helper" line "$new.journal" "done 9 0 0 $6 $whole $("$helper" hash "$out" "$6")"
cp "$new.journal" "$dir/journal"
cp "$out" "$new.part"
printf 'x' | dd of="$new.part" bs=1 seek=$((whole - 100)) conv=notrunc status=none
run quantize "$mixed" "$new" --type bf16 --resume
is "a changed end" 2 "" "new.gguf.part is not what its journal says of bytes $6 to $whole; --force begins anew"
mv "$new.part" "$new"
run quantize "$mixed" "$new" --type bf16 --resume
is "an older file of the same size" 2 "" "new.gguf is not what its journal says of bytes"
cp "$out" "$new.part"
run quantize "$mixed" "$new" --type bf16 --resume
is "all but its name" 0 "bits a weight" ""
same "all but its name" "$out" "$new"
nothing "all but its name" "$new.part" "$new.journal"
rm "$new"
echo "my notes" >"$new.journal"
run quantize "$mixed" "$new" --type bf16 --resume
is "somebody's short file" 2 "" "new.gguf.journal is no journal of stoker quantize; move it away"
[ "$(cat "$new.journal")" = "my notes" ] && pass || fail "somebody's short file" "is changed"
rm "$new.journal"
for name in "" "$dir/"; do # a file without a name would lie in the folder at hand
    (cd "$dir" && exec "$stoker" quantize "$small" "$name" --type bf16) >"$dir/out" 2>"$dir/err" </dev/null
    status=$?
    is "OUT \"$name\"" 2 "" "names no file$"
done

# A source that somebody writes.
(while :; do touch "$mixed"; done) &
writer=$!
run quantize "$mixed" "$new" --type bf16
kill $writer
wait $writer 2>/dev/null
is "a source that changes" 1 "" "mixed.gguf: it has changed while it was read; when it is still, --force begins anew$"
nothing "a source that changes" "$new"
rm -f "$new".*
run quantize "$mixed" "$out" --type bf16 --force

# Killed at any moment, then resumed: the bytes of an undisturbed run. No name without .part that is not whole.
run quantize "$mixed" "$dir/p.gguf" --type bf16 --split-max-size 20MB
parts=$(ls "$dir"/p-*.gguf)
count=$(echo "$parts" | wc -l)
began=$(date +%s%N)
run quantize "$mixed" "$dir/p.gguf" --type bf16 --split-max-size 20MB --force
span=$((($(date +%s%N) - began) / 1000000))
killed() { # killed FLAG...: 20 times, at any moment of the time that a whole run takes
    number=0 tries=0
    while [ $number -lt 20 ] && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        "$stoker" quantize "$mixed" "$dir/k.gguf" --type bf16 "$@" >"$dir/out" 2>"$dir/err" &
        victim=$!
        sleep "$(od -An -N2 -tu2 /dev/urandom | awk -v span=$span '{ printf "%.3f", $1 / 65536 * span / 1000 }')"
        kill -9 $victim 2>/dev/null
        wait $victim 2>/dev/null
        [ $? -eq 137 ] && number=$((number + 1))
        check_names "killed $* $number"
        if [ -e "$dir/k.gguf.journal" ] || [ ! -e "$dir/k.gguf" -a ! -e "$(first k)" ]; then
            run quantize "$mixed" "$dir/k.gguf" --type bf16 "$@" --resume
            is "killed $* $number, then --resume" 0 "bits a weight" ""
        fi
        check_whole "killed $* $number"
        nothing "killed $* $number" "$dir/k.gguf.journal" "$dir"/k*.part
        rm "$dir"/k[.-]*
    done
    [ $number -eq 20 ] && pass || fail "kill -9 $*" "$number of $tries runs lived long enough to be killed"
}
first() { echo "$dir/$1-00001-of-$(printf %05d "$count").gguf"; }
check_names() {
    [ ! -e "$dir/k.gguf" ] || same "$1, OUT" "$out" "$dir/k.gguf"
    [ ! -e "$(first k)" ] || check_whole "$1, a first part"
}
check_whole() {
    if [ -e "$dir/k.gguf" ]; then
        same "$1" "$out" "$dir/k.gguf"
    else
        for p in $parts; do same "$1" "$p" "$dir/k-${p##*/p-}"; done
    fi
}
[ "$count" -gt 2 ] && pass || fail "--split-max-size" "of $size bytes there are $count parts"
killed
killed --split-max-size 20MB

# Ctrl-C: the slab at hand is ended, and the command that goes on is shown.
"$stoker" quantize "$mixed" "$new" --type bf16 --threads 1 --memory min >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for 20 [ -s "$new.part" ]
kill -INT $pid
wait $pid
status=$?
if [ $status -eq 0 ]; then
    skip "SIGINT" "the run was over before it"
else
    is "SIGINT" 1 "" "^stoker: .*new.gguf: stopped after [0-9]+ of [0-9]+ MiB; to go on: stoker quantize .* --resume$"
    run quantize "$mixed" "$new" --type bf16 --resume
    is "SIGINT, then --resume" 0 "bits a weight" ""
fi
same "SIGINT, then --resume" "$out" "$new"
done_testing
