# stoker bench: llama-bench's flags, its columns and formats; what cannot be measured is refused.
. tests/cli/harness

model=$golden/qwen3moe.gguf
rows() { grep -c "$1" "$dir/out"; }
column() { # column NAME...: of the row of -o csv below the head
    awk -F, -v names="$*" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(names, name, " ") }
        NR == 2 { gsub(/^"|"$/, ""); split($0, f, "\",\""); for (i = 1; i <= n; i++) printf "%s ", f[at[name[i]]] }' "$dir/out"
}

# ---- which tests ---------------------------------------------------------------------------------------------------------
tests() { # tests WANT FLAGS...: names of the tests in the table, in their order
    want=$1
    shift
    run bench --no-roofs "$model" -r 1 --no-warmup "$@"
    got=$(sed -n 's/^| qwen3moe.gguf .* |  *\([a-z0-9+@ ]*[0-9]\) |[^|]*|[^|]*|$/\1/p' "$dir/out" | tr '\n' ';')
    [ "$status" -eq 0 ] && [ "$got" = "$want" ] && pass || fail "$*" "status $status, tests $got"
}
tests 'pp512;tg128;'
tests 'pp8;pp16;tg4;' -p 8,16 -n 4
tests 'tg2;tg4;tg6;' -p 0 -n 2-6+2
tests 'pp4;pp8;pp16;pp32;' -p 4-32*2 -n 0
tests 'pp1;pp2;pp3;' -p 1-3 -n 0
tests 'pp8+tg2;pp4+tg6;' -p 0 -n 0 -pg 8,2 -pg 4,6
run bench --no-roofs "$model" -p 0 -n 0
is "-p 0 -n 0" 2 "" "leave nothing to measure$"
tests 'pp8;tg2;pp8 @ d40;tg2 @ d40;' -p 8 -n 2 -d 0,40
tests 'pp8;pp8;pp8;pp8;' -p 8 -n 0 -ub 16,32 -t 1,2
grep -Eq '^\| model +\| +size \| +params \| backend +\| threads \| n_ubatch \| +test \| +t/s \| +median \|$' "$dir/out" && pass ||
    fail "-ub 16,32" "has no column n_ubatch"
tests 'pp8;pp8;' -p 8 -n 0 -ctk f16,f32 -ctv f16,f32
tests 'pp8;pp8;' -p 8 -n 0 -dio 0,1 -mmp 0 -fa 1 -b 512 --delay 0.01
run bench --no-roofs -m "$model" -m "$golden/gpt-oss-mxfp4.gguf" -p 8 -n 0 -r 1
[ "$status" -eq 0 ] && [ "$(rows ' pp8 ')" -eq 2 ] && grep -q '^| gpt-oss-mxfp4.gguf ' "$dir/out" && pass || fail "-m -m" "not both models"
grep -q '^build: ' "$dir/out" && pass || fail "the table" "has no line build:"

# A context that nobody chose is that of the tests, and that is said: the same budget holds more experts than in run.
run bench --no-roofs "$model" -r 1 --no-warmup -p 100 -n 20 -d 10
is "a context of the tests" 0 '^context 118, as long as the tests; with --ctx N the plan is that of run --ctx N$' ""
run bench --no-roofs "$model" -r 1 --no-warmup -p 100 -n 20 -d 10 --ctx 200
is "a context that was given" 0 . ""
grep -q '^context' "$dir/out" && fail "a context that was given" "is told" || pass

# ---- models of vectors and scores ------------------------------------------------------------------------------------------
vectors=${BUILD:-build}/data/embeddings
run bench --no-roofs "$vectors/bert-mean.gguf" -p 16,40 --texts 20 -r 1 -o csv
got=$(awk -F '","' 'NR > 1 { n = $22 * $24 / 1e9; printf "%d ", n + 0.5 }' "$dir/out")
[ "$status" -eq 0 ] && [ "$got" = "320 800 " ] && pass || fail "texts" "status $status: of 20 texts of 16 and 40 tokens $got were measured"
for name in bert-none bert-rank nomic-bert-moe qwen3-rerank; do
    run bench --no-roofs "$vectors/$name.gguf" -p 8 --texts 3 -r 1
    is "texts of $name" 0 "^\\| $name.gguf .* pp8 " ""
done
run bench "$vectors/bert-mean.gguf" -p 64 -r 1 -o jsonl
[ "$status" -eq 0 ] && grep -Eq '"bound_by":"(memory|products)","efficiency":[0-9.]*[1-9]' "$dir/out" && pass || fail "texts under roofs" "no bound"
run bench --no-roofs "$vectors/bert-mean.gguf" -n 4
is "an answer of a model of vectors" 2 "" "gives vectors \\(pooling mean\\), no text: -n, -pg and -d are for models that generate it$"
run bench --no-roofs "$vectors/bert-mean.gguf" -p 129 -r 1
[ "$status" -eq 2 ] && grep -q "text 0 has 129 tokens, the context 128$" "$dir/err" && pass || fail "a text above its context" "status $status"
run bench --no-roofs "$model" -p 4 -n 0 --texts 2
is "texts of a model that generates" 2 "" "^stoker bench: --texts 2: this model generates text"
run bench --digest "$vectors/bert-mean.gguf" --texts 3
is "a digest of vectors" 0 '^\{"texts":3,"tokens":64,"vectors":"[0-9a-f]{16}"\}$' ""
cp "$dir/out" "$dir/first"
run bench --digest "$vectors/bert-mean.gguf" --texts 3 --cpu-tier scalar --threads 1
cmp -s "$dir/out" "$dir/first" && pass || fail "a digest of vectors" "is another one on another tier"
run bench --digest "$vectors/bert-cls.gguf" --texts 3
cmp -s "$dir/out" "$dir/first" && fail "a digest of vectors" "is that of another model" || pass

# ---- formats -------------------------------------------------------------------------------------------------------------
small="-p 8 -n 4 -r 3"
keys='build_commit build_number cpu_info gpu_info backends model_filename model_type model_size model_n_params n_batch n_ubatch n_threads
type_k type_v flash_attn use_mmap use_direct_io n_prompt n_gen n_depth test_time avg_ns stddev_ns avg_ts stddev_ts median_ts p10_ts p90_ts
spin_ms memory_budget anon_peak disk_bytes_per_token expert_hit_rate time_drive_ms time_joins_ms time_computing_ms time_between_ms'
run bench --no-roofs "$model" $small -o csv
is "-o csv" 0 '^"[0-9.]+","0",' ""
[ "$(head -n 1 "$dir/out" | tr ',' '\n')" = "$(echo "$keys" | tr ' ' '\n')" ] && pass || fail "-o csv" "other columns"
[ "$(wc -l <"$dir/out")" -eq 3 ] && [ "$(sed 1d "$dir/out" | sed 's/","/\n/g' | wc -l)" -eq $((2 * $(echo $keys | wc -w))) ] && pass ||
    fail "-o csv" "not two rows of all columns"
run bench --no-roofs "$model" $small -o jsonl
is "-o jsonl" 0 '^\{"build_commit":"[0-9.]+",.*"n_prompt":8,"n_gen":0,"n_depth":0,.*"samples_ns":\[[0-9]+,[0-9]+,[0-9]+\],"samples_ts":\[' ""
[ "$(rows '^{.*}$')" -eq 2 ] && pass || fail "-o jsonl" "not two lines"
for key in $keys; do
    grep -q "\"$key\":" "$dir/out" || fail "-o jsonl" "has no $key"
done
run bench --no-roofs "$model" $small -o json
[ "$status" -eq 0 ] && [ "$(tr -d '\n' <"$dir/out" | grep -c '^\[{.*},{.*}\]$')" -eq 1 ] && pass || fail "-o json" "is no list of two objects"
run bench --no-roofs "$model" $small -o sql
is "-o sql" 0 "^INSERT INTO test \(build_commit, .*\) VALUES \('" ""
[ "$(rows '^CREATE TABLE IF NOT EXISTS test ($')" -eq 1 ] && [ "$(rows '^INSERT')" -eq 2 ] && pass || fail "-o sql" "not one table and two rows"
if command -v sqlite3 >/dev/null; then
    [ "$(cat "$dir/out" | (cat; echo 'SELECT count(*), sum(n_prompt) FROM test;') | sqlite3)" = "2|8" ] && pass || fail "-o sql" "sqlite3 reads other rows"
fi
run bench --no-roofs "$model" $small -o jsonl -oe md
is "-oe md" 0 '^\{"build_commit"' '^\| qwen3moe.gguf '
run bench --no-roofs "$model" -p 8 -n 0 -r 2 --progress
is "--progress" 0 '^\| qwen3moe' '^stoker bench: test 1 of 1, run 2 of 2, [0-9]+ s left$'

# A test computes what its name says, also at a depth, whatever a model keeps.
for file in qwen3moe qwen35moe gpt-oss-mxfp4 deepseek2-lite; do
    run bench --no-roofs "$golden/$file.gguf" -p 16 -n 4 -pg 8,3 -d 100,200 -r 1 --no-warmup --kv f32 -o csv
    got=$(awk -F '","' 'NR > 1 { n = $22 * $24 / 1e9; printf "%d ", n + 0.5 }' "$dir/out")
    [ "$got" = "16 4 11 16 4 11 " ] && pass || fail "$file: tokens behind a depth" "$got"
done

# Cold: every run reads its experts; otherwise the warm-up did.
# A cache that fills would make each repetition faster than the last: generation warms up until its hit rate stays.
run bench --no-roofs --memory min -p 0 -n 32 -r 1 --progress
is "warming up" 0 ' tg32 ' '^stoker bench: test 1 of 1, warming up, 64 tokens$'
run bench --no-roofs --memory min -p 0 -n 32 -r 1 --progress --no-warmup
grep -q 'warming up' "$dir/err" && fail "--no-warmup" "warms up" || pass
run bench --no-roofs "$model" -p 64 -n 0 -r 2 --cold -o jsonl
is "--cold" 0 '"reads":[1-9]' ""
run bench --no-roofs "$model" -p 64 -n 0 -r 2 -o jsonl
is "warm" 0 '"misses":0,' ""

# What is counted of a test is its own, and the step before an answer: neither a depth nor what lies between repetitions.
figure() { sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" "$dir/out"; }
uses() { echo $(($(figure hits) + $(figure misses))); }
run bench --no-roofs "$model" -p 0 -n 4 -r 1 --memory min --no-warmup --ctx 256 -o jsonl
uses >"$dir/uses"
while read -r n flags; do
    run bench --no-roofs "$model" -p 0 -n 4 -r "$n" --memory min --no-warmup --ctx 256 $flags -o jsonl
    [ "$(uses)" -gt 0 ] && [ "$(uses)" = $((n * $(cat "$dir/uses"))) ] && pass || fail "experts of $n answers, $flags" "$(uses), of one without a depth $(cat "$dir/uses")"
    echo "$((5 * n)) $(figure bytes_read) $(figure disk_bytes_per_token) $(figure bytes_read_per_token)" >"$dir/counted"
    awk '{ exit !($2 > 0 && $2 > 0.998 * $1 * $3 && $2 < 1.002 * $1 * $3 && $2 > 0.998 * $1 * $4 && $2 < 1.002 * $1 * $4) }' "$dir/counted" && pass ||
        fail "bytes of a token, $n times $flags" "not a fifth of a run's: $(cat "$dir/counted")"
done <<'END'
1 -d 100
2 -d 100
1 -d 100 --cold
2 -d 100 --cold
END
# The step before an answer, which reads all experts of a cold engine, is not in where its time went. Its waits are nearly all there are, or
# a good part where the machine is busy; were they in, all would be but the 513th part that its share of the steps takes off.
run bench --no-roofs "$ember" --memory max -p 0 -n 512 -r 1 --cold -o jsonl
echo "$(figure time_drive_ms) $(figure time_joins_ms) $(figure time_computing_ms) $(figure avg_ns) $(figure wait_ms)" >"$dir/spent"
awk 'NF == 5 && $5 > 0 && 512 * $1 < 0.95 * $5 && 512e6 * ($1 + $2 + $3) < 1.2 * $4 { n++ } END { exit !(NR == 1 && n == 1) }' "$dir/spent" && pass ||
    fail "the time of a cold answer" "of a token $(cat "$dir/spent")"

run bench --no-roofs "$model" -p 4 -n 4 -pg 4,4 -r 1 --memory min --disk-rate 1 -o csv
is "rows of an answer have more columns" 0 . ""
[ "$(sed 1d "$dir/out" | sed 's/","/\n/g' | wc -l)" -eq $((3 * $(head -n 1 "$dir/out" | tr ',' '\n' | wc -l))) ] && pass || fail "--disk-rate -o csv" "rows have other columns than the head"
run bench --no-roofs "$model" -p 4 -n 4 -r 1 --memory min --disk-rate 1 -o sql
[ "$(rows 'overlap_model_ts) VALUES (.*, NULL);$')" -eq 1 ] && pass || fail "--disk-rate -o sql" "a prompt's row has a rate of the overlap model"

# The overlap model of each repetition, from its own misses: at half the rate reading takes twice as long.
for rate in 0.002 0.001; do
    run bench --no-roofs "$model" -p 0 -n 8 -r 3 --memory min --disk-rate $rate -o jsonl
    is "--disk-rate $rate" 0 '"overlap_model_samples_ts":\[[0-9.e-]+,[0-9.e-]+,[0-9.e-]+\]' ""
    sed -n 's/.*"overlap_model_ts":\([0-9.e-]*\).*/\1/p' "$dir/out" >>"$dir/modelled"
done
awk '{ at[NR] = $1 } END { exit !(at[2] > 0 && at[1] > 1.5 * at[2] && at[1] < 2.2 * at[2]) }' "$dir/modelled" && pass ||
    fail "overlap model" "$(tr '\n' ' ' <"$dir/modelled") tokens/s"
printf 'A text of some words.\n' >"$dir/text"
run bench --no-roofs "$model" -p 40 -n 4 -r 2 --text "$dir/text"
is "--text" 0 ' pp40 ' ""

# Drafts live on a text in its order: one that says everything again.
for i in 1 2 3; do printf 'The bear took %s drum. ' one two three four five six seven; done >"$dir/twice"
run bench --no-roofs "$model" -p 0 -d 60 -n 40 -r 2 --text "$dir/twice" --in-order --draft ngram -o jsonl
is "--in-order" 0 '"drafted_tokens":[1-9][0-9]*,"accepted_tokens":[1-9][0-9],' ""
run bench --no-roofs "$model" -p 0 -d 60 -n 40 -r 2 --text "$dir/twice" --in-order --draft ngram
is "--in-order as a table" 0 'drafts [0-9]* tokens, of which [1-9][0-9]* were chosen' ""

# What a step reads at least it reads once, whatever its drafts are: with them an answer takes fewer steps.
for draft in off ngram; do
    run bench "$model" -p 0 -d 60 -n 40 -r 1 --text "$dir/twice" --in-order --draft $draft -o jsonl
    is "the bound with --draft $draft" 0 '"bound_by":"[a-z]+","efficiency":[0-9.]+' "."
    sed -n 's/.*"memory_bytes_per_token":\([0-9]*\).*"bound_ts":\([0-9.]*\).*/\1 \2/p' "$dir/out" >>"$dir/least"
done
awk '{ bytes[NR] = $1 } END { exit !(bytes[2] > 0 && bytes[2] < 0.8 * bytes[1]) }' "$dir/least" && pass || fail "the bound with drafts" "$(tr '\n' ';' <"$dir/least")"

# answers under a schema, and drafts that hold by a coin
schema='{"type":"object","properties":{"the_name_of_the_ship":{"enum":["Argo"]},"where_it_went":{"enum":["Colchis"]}},"required":["the_name_of_the_ship","where_it_went"],"additionalProperties":false}'
echo "$schema" >"$dir/schema"
printf '%s' '{"the_name_of_the_ship":"Argo","where_it_went":"Colchis"}' >"$dir/answer"
run bench --no-roofs "$model" -p 0 -n 60 -r 2 --text "$dir/answer" --schema "$dir/schema" --draft ngram -o jsonl
is "--schema" 0 '"drafted_tokens":[1-9][0-9]*,"accepted_tokens":[1-9][0-9]*,' ""
run bench --no-roofs "$model" -p 0 -n 3 -r 2 --text "$dir/answer" --schema "$dir/schema"
is "--schema, a short answer" 2 "^memory" "with --schema all of them are the answer: give -n [1-9][0-9]*$"
echo '{"type":"array"}' >"$dir/other"
run bench --no-roofs "$model" -p 0 -n 60 -r 2 --text "$dir/answer" --schema "$dir/other"
is "--schema of another text" 1 "^memory" "."
run bench "$model" --schema "$dir/schema"
is "--schema alone" 2 "" "give --text FILE, without --in-order$"
predicts=${BUILD:-build}/data/golden/glm4moe.gguf
for coin in 0 100; do
    run bench --no-roofs "$predicts" -p 0 -n 40 -r 2 --draft mtp --draft-coin $coin -o jsonl
    [ $coin = 0 ] && all='"accepted_tokens":0,' || all='"drafted_tokens":([1-9][0-9]*),"accepted_tokens":\1,'
    is "--draft-coin $coin" 0 "$all" ""
done
run bench --no-roofs "$model" -p 0 -n 4 --draft-coin 90
is "--draft-coin without drafts" 2 "" "--draft-coin: nothing is drafted: give --draft too, or leave it out$"
run bench --no-roofs "$model" -p 0 -d 60 -n 4000 -r 1 --text "$dir/twice" --in-order
is "a text that is too short" 2 "^memory " 'twice: has [0-9]* tokens, and a test with --in-order takes 4062'
run bench --no-roofs "$model" -p 8 -n 0 --in-order
is "the order of no text" 2 "" "--in-order: it is the order of a text"

# ---- roofs, bounds, energy: bench.md 3 ---------------------------------------------------------------------------------------
mkdir "$dir/bare" && plant() { mkdir -p "$(dirname "$dir/$1")" && echo "$2" >"$dir/$1"; }
run bench -p 0 -n 16 -r 1 --memory max --root "$dir/bare" -o csv
is "a row with its bound" 0 '^"' '^stoker bench: energy is not counted, since this machine shows no counters'
column median_ts bound_ts efficiency roof_memory roof_int8 roof_f32 roof_drive memory_bytes_per_token |
    awk '{ exit !($1 > 0 && $4 > 1e8 && $5 > 1e8 && $6 > 1e8 && $7 == 0 && $8 > 1e4 && $2 <= 1.0001 * $4 / $8 && $3 * $2 > 0.999 * $1 && $3 * $2 < 1.001 * $1) }' &&
    pass || fail "the bound of a row" "$(column median_ts bound_ts efficiency roof_memory roof_int8 roof_f32 roof_drive memory_bytes_per_token)"
column anon_peak | awk '{ exit !($1 < 200 * 2^20) }' && pass || fail "the peak of memory" "holds what roofs took: $(column anon_peak)"
column bound_by | grep -Eq '^(memory|products) $' && pass || fail "bound_by" "$(column bound_by)"
column median_ts time_drive_ms time_joins_ms time_computing_ms time_between_ms |
    awk '{ sum = $2 + $3 + $4 + $5; exit !($2 >= 0 && $3 >= 0 && $4 > 0 && sum > 999 / $1 && (sum < 1001 / $1 || $5 == 0)) }' && pass || # what the engine did before the first token was seen is estimated, and may leave less than nothing
    fail "where the time went" "$(column median_ts time_drive_ms time_joins_ms time_computing_ms time_between_ms)"
column time_computing_ms time_memory_ms time_cores_ms memory_bytes_per_token roof_memory | # of computing, what the roof of memory explains
    awk '{ want = 1e3 * $4 / $5; want = want < $1 ? want : $1; exit !($2 > 0.99 * want - 2e-6 && $2 < 1.01 * want + 2e-6 && $3 > $1 - $2 - 2e-6 && $3 < $1 - $2 + 2e-6) }' &&
    pass || fail "what of computing memory explains" "$(column time_computing_ms time_memory_ms time_cores_ms memory_bytes_per_token roof_memory)"
head -n 1 "$dir/out" | grep -q energy && fail "energy that nothing counts" "has a column" || pass
plant powered/sys/class/powercap/intel-rapl:0/name package-0
plant powered/sys/class/powercap/intel-rapl:0/energy_uj 5000000
run bench "$model" -p 8 -n 4 -r 1 --root "$dir/powered" -o jsonl
[ "$status" -eq 0 ] && [ "$(rows '"energy_j_per_token":0.0,')" -eq 2 ] && ! grep -q energy "$dir/err" && pass || fail "energy" "is not in every row"
mkdir -p "$dir/locked/sys/class/powercap/intel-rapl:0/energy_uj" && plant locked/sys/class/powercap/intel-rapl:0/name package-0
run bench "$model" -p 8 -n 4 -t 1,2 -r 1 --root "$dir/locked"
[ "$(grep -c 'only root may read the counters' "$dir/err")" -eq 1 ] && pass || fail "counters for others" "are not named once"
[ "$(rows '^|.* t/s |   median |    bound | efficiency |$')" -eq 1 ] && [ "$(rows '^  a token takes at least: memory .* at .* GB/s), products .* Tops)')" -eq 4 ] &&
    [ "$(rows '^  it took .* ms: computing .* (memory at its roof explains .*, the other .* are the cores.), waiting for other threads .*, for the drive .*; .* between steps')" -eq 4 ] && pass ||
    fail "the table with bounds" "has other lines"
awk '/^\|/ { if (gap) exit 1; table = 1; next } table { gap = 1 }' "$dir/out" && pass || fail "the table" "is broken by other lines"
[ "$(rows '^[^ ]*, [12] threads\{0,1\}, \(pp8\|tg4\):$')" -eq 4 ] && pass || fail "lines below the table" "do not name their tests"
run bench -p 0 -n 8 -r 1 --memory min -o csv # the embedded model streams
column roof_drive | awk '{ exit !($1 > 1e6) }' && pass || fail "the roof of the drive" "$(column roof_drive)"
run bench --no-roofs "$model" -p 8 -n 0 -r 1 -o csv
is "--no-roofs" 0 '^"' ""
head -n 1 "$dir/out" | grep -q 'roof\|bound\|time_memory\|time_cores' && fail "--no-roofs" "has columns of roofs" || pass

# ---- impossible tests -----------------------------------------------------------------------------------------------------
while IFS='|' read -r flags sentence; do
    run bench --no-roofs "$model" $flags
    is "$flags" 2 "" "$sentence"
done <<'END'
-o xml|-o xml: md, csv, json, jsonl, sql and svg are possible
-oe xml|-oe xml: none, md, csv
-fa 0|-fa 0: attention is always
-mmp 1|-mmp 1: files are read, never mapped
-ctk f16 -ctv f32|-ctk f16: keys and values have one type
-ctv f32|-ctv f32: keys and values have one type
-pg 5|-pg 5: PP,TG is expected
-pg 5,x|-pg 5,x: PP,TG
-p 5-1|-p 5-1: N
-p 1-1000|-p 1-1000: N
-p 0-8*2|-p 0-8
-d x|-d x: N
-r 0|-r 0: whole numbers from 1
-m other.gguf|-m other.gguf: the model is given without -m too
END
run bench --no-roofs "$model" --text "$dir/absent"
is "--text that is not there" 1 "" "--text .*absent: cannot be opened: No such file"
run bench --no-roofs "$model" --text "$dir"
is "--text is a folder" 1 "" "--text $dir: not a regular file"
run bench --no-roofs "$model" --mask "$dir/absent"
is "--mask that is not there" 1 "" "absent: No such file"

# ---- a picture: its figures are those of the rows, and shapes stand where the figures say ---------------------------------------
# drawn WHAT AXIS SERIES POINTS: of the last run, with -o svg -oe jsonl
drawn() {
    sed -n 's/.*"median_ts":\([0-9.]*\),"p10_ts":\([0-9.]*\),"p90_ts":\([0-9.]*\),.*/\1 \2 \3/p' "$dir/err" >"$dir/rows"
    grep 'class="area"' "$dir/out" | tr -c '0-9.\n' ' ' | awk '{ print "area", $2, $4, $6 }' >"$dir/figures" # y, height, top
    sed -n 's/.*<circle cx="\([0-9.]*\)" cy="\([0-9.]*\)" .* data-series="\([0-9]*\)" data-at="\([0-9]*\)" data-median="\([0-9.]*\)" data-p10="\([0-9.]*\)" data-p90="\([0-9.]*\)".*/point \1 \2 \3 \4 \5 \6 \7/p' "$dir/out" >>"$dir/figures"
    sed -n 's/.*<line x1="\([0-9.]*\)" y1="\([0-9.]*\)" x2="\([0-9.]*\)" y2="\([0-9.]*\)" class="c[0-9]".*/line \1 \2 \3 \4/p' "$dir/out" >>"$dir/figures"
    grep -q "data-axis=\"$2\"" "$dir/out" && pass || fail "$1" "the axis is not $2"
    awk -v rows="$dir/rows" -v n_series=$3 -v n_points=$4 '
        function far(a, b, most) { return a - b > most || b - a > most }
        function y_of(rate) { return top_y + height * (1 - rate / most) }
        $1 == "area" { top_y = $2; height = $3; most = $4 }
        $1 == "point" {
            n++
            series[$4] = 1
            if ((getline row < rows) <= 0) bad = "more points than rows"
            split(row, of, " ")
            if (far(of[1], $6, 1e-4) || far(of[2], $7, 1e-4) || far(of[3], $8, 1e-4)) bad = "figures of row " n
            if (far($3, y_of($6), 0.02)) bad = "place of row " n
            if ($5 in x_at && far(x_at[$5], $2, 0.01)) bad = "one value at two places"
            x_at[$5] = $2
            x[n] = $2; low[n] = y_of($7); high[n] = y_of($8)
        }
        $1 == "line" && $2 == $4 { for (i = 1; i <= n; i++) if (!far(x[i], $2, 0.01) && !far(low[i], $3, 0.02) && !far(high[i], $5, 0.02)) bar[i] = 1 }
        END {
            for (i = 1; i <= n; i++) if (!(i in bar)) bad = "no bar of row " i
            for (s in series) found++
            if (n != n_points || found != n_series) bad = n " points in " found " series"
            if (bad) { print bad; exit 1 }
        }' "$dir/figures" >"$dir/why" && pass || fail "$1" "$(cat "$dir/why")"
}
figures="--no-roofs --no-warmup -r 3 -o svg -oe jsonl"
run bench "$model" $figures -p 8,16 -n 4 -d 0,32,64
is "-o svg" 0 '^<svg ' '"median_ts"'
drawn "-o svg by depth" depth 3 9
run bench "$model" $figures -p 32 -n 0 -ub 8,16,32 -t 1,2
drawn "-o svg by batch" batch 2 6
run bench "$model" $figures -p 8 -n 4
drawn "-o svg of tests" test 2 2
cp "$model" "$dir/a<b>&\"c.gguf"
run bench "$dir/a<b>&\"c.gguf" $figures -p 4 -n 0
is "-o svg: a name" 0 '^<title>a&lt;b&gt;&amp;&quot;c\.gguf: tokens a second</title>$' '"median_ts"'
drawn "-o svg of one row" test 1 1
if command -v xmllint >/dev/null; then
    xmllint --noout "$dir/out" 2>"$dir/why" && pass || fail "-o svg" "is not well-formed"
fi

twenty=üüüüüüüüüüüüüüüüüüüü
cp "$model" "$dir/$twenty$twenty${twenty}üüüüü.gguf" # longer than what is kept of it, which ends in the middle of a character
run bench "$dir/$twenty$twenty${twenty}üüüüü.gguf" $figures -p 4 -n 0
iconv -f UTF-8 -t UTF-8 "$dir/out" >/dev/null 2>&1 && ! grep -q '�' "$dir/out" && pass || fail "-o svg: a long name" "is cut inside a character"

# Rows of several runs: by budget, in whatever order they came.
for memory in 80M 70M 120M; do
    run bench "$ember" --no-profile --memory $memory --ctx 64 $figures -p 8 -n 4
    cat "$dir/err" >>"$dir/runs.jsonl"
done
run bench --draw "$dir/runs.jsonl"
is "--draw" 0 "^<svg " ""
cp "$dir/runs.jsonl" "$dir/err"
drawn "--draw by budget" budget 2 6
[ "$(grep -c '>[78]0.0 MiB</text>\|>120.0 MiB</text>' "$dir/out")" -eq 3 ] && pass || fail "--draw" "does not name the budgets"
head -c 500 "$dir/runs.jsonl" >"$dir/cut"
run bench --draw "$dir/cut"
is "--draw: a cut file" 1 "" "^stoker bench: --draw $dir/cut: row 1 is none that bench -o jsonl writes$"
: >"$dir/cut"
run bench --draw "$dir/cut"
is "--draw: an empty file" 1 "" "row 1 is none"
echo '{"n_prompt":1}' >"$dir/cut"
run bench --draw "$dir/cut"
is "--draw: no row" 1 "" "row 1 is none"
impossible='has rates that are impossible: p10_ts, median_ts and p90_ts are in this order, from 1e-9 to 1e12$'
number='[0-9.e+-]*'
while read -r median p10 p90; do
    sed '2s/"median_ts":'"$number"',"p10_ts":'"$number"',"p90_ts":'"$number,/\"median_ts\":$median,\"p10_ts\":$p10,\"p90_ts\":$p90,/" "$dir/runs.jsonl" >"$dir/rates"
    run bench --draw "$dir/rates"
    is "--draw: rates $p10 $median $p90" 1 "" "^stoker bench: --draw $dir/rates: row 2 $impossible"
done <<'END'
1e308 1 1e308
2e12 1 2e12
1e-320 1e-320 1
3 1 2
1 2 3
3 2 1
END

# Names are cut between characters, of two bytes each: a model's at 40, and what a pointer shows at 100, whatever stands before them.
for before in '' x; do
    for kv in f16 "${before}üüüüüüü"; do
        for threads in 1 99999999999999999; do
            printf '{"n_depth":999999999,"memory_budget":0,"n_ubatch":%s,"n_threads":%s,"n_prompt":999999999,"n_gen":999999999,' $threads $threads
            printf '"median_ts":2,"p10_ts":1,"p90_ts":3,"model_filename":"%s","type_k":"%s"}\n' "$before$twenty$twenty$threads" "$kv"
        done
    done >"$dir/long"
    run bench --draw "$dir/long"
    is "--draw: names of two bytes a character" 0 '^<title>' ""
    iconv -f UTF-8 -t UTF-8 "$dir/out" >/dev/null 2>&1 && ! grep -q '�' "$dir/out" && pass || fail "names of two bytes a character" "are cut inside one"
done
run bench --draw "$dir/absent"
is "--draw: no file" 1 "" "absent: cannot be opened"

done_testing
