# stoker quantize: which tensor gets which type, by rules and presets, and what of that is refused. Presets whole: tests/recipes.c.
. tests/cli/harness

helper=${BUILD:-build}/tests/quantize
source=$dir/small.gguf
"$helper" make small "$source" || exit 1
rules=$dir/my.rules

plan() { run quantize "$source" "$dir/out.gguf" --dry-run "$@"; }
becomes() { # becomes WHAT NAME TYPE BY: in the last plan
    grep -qE "^$2 +[0-9 x]+ +[a-z0-9]+ +$3 +[0-9]+  $4\$" "$dir/out" && pass || fail "$1" "$2 is not $3 by $4"
}

# Law 1: the first rule wins, flags before the file; a rule beats the preset, --pure and a float base.
printf '# a comment\n\n  attn_q=q4_0  \nblk\\.1\\.=f16\r\n=q5_0\n' >"$rules"
plan --recipe "$rules" --rule 'blk\.0\.attn_q=q8_0'
is "rules" 0 "^name " ""
becomes "a flag before the file" blk.0.attn_q.weight q8_0 'rule: blk\\.0\\.attn_q=q8_0'
becomes "the first of the file" blk.1.attn_q.weight q4_0 'rule: attn_q=q4_0'
becomes "the base of the file" output.weight q5_0 base
plan --recipe "$rules" --type q4_1
becomes "--type before the file's base" blk.0.ffn_up_exps.weight q4_1 base
plan --type q8_0 --rule '=f16' --rule 'attn_q=f16'
becomes "a base by --rule" output.weight f16 base
becomes "a rule of the base's type" blk.0.attn_q.weight f16 'rule: attn_q=f16'
plan --type Q4_K_M
becomes "a preset" token_embd.weight q4_k base
becomes "a preset's other type" output.weight q6_k 'preset: Q4_K_M'
plan --type Q4_K_M --pure --rule 'output=Q4_K'
becomes "--pure" blk.0.ffn_down_exps.weight q4_k base
becomes "a rule with --pure" output.weight q4_k 'rule: output=Q4_K'
plan --type BF16 --rule 'attn_q=bf16' --rule '_exps=keep'
becomes "a float base" blk.1.attn_q.weight bf16 'rule: attn_q=bf16'
becomes "keep" blk.0.ffn_up_exps.weight f16 'rule: _exps=keep'
plan --type q8_0 --rule 'blk.0-0.attn_q=f32' --rule 'blk.1-7.=f16'
becomes "layers" blk.0.attn_q.weight f32 'rule: blk.0-0.attn_q=f32'
becomes "more layers" blk.1.attn_q.weight f16 'rule: blk.1-7.=f16'
becomes "no layer" output.weight q8_0 base
plan --type q8_0 --rule 'blk.-1-0.attn_q=f32' # a pattern that no name has
becomes "no number" blk.0.attn_q.weight q8_0 base

# Law 2: what matches nothing, or is no rule.
plan --type q8_0 --rule 'none=q4_0'
is "no tensor" 0 "^name " "^stoker: warning: --rule: none=q4_0 matches no tensor of "
plan --type q8_0 --rule 'none=q4_0' --strict
is "no tensor, --strict" 2 "" "^stoker: --rule: none=q4_0 matches no tensor of "
printf 'attn=q8_0\nffn_(up=q4_0\n' >"$rules"
plan --type q8_0 --recipe "$rules"
is "a bad pattern" 2 "" "my.rules:2: ffn_\(up=q4_0: the pattern is wrong at character 8: missing closing parenthesis"
printf '# one\nattn=q9_9\n' >"$rules"
plan --type q8_0 --recipe "$rules"
is "a bad type" 2 "" "my.rules:2: attn=q9_9: no type of this name that can be written"
plan --type q8_0 --rule 'attn=iq4_ks'
is "a type of a fork" 2 "" "^stoker: --rule: attn=iq4_ks: no type of this name that can be written$"
plan --type q8_0 --rule 'attn=i8'
is "integers" 2 "" "attn=i8: no type of this name that can be written"
plan --type q8_0 --rule attn
is "no rule" 2 "" "^stoker: --rule: attn: a rule is PATTERN=TYPE$"
plan --type q8_0 --rule '(([a-z_.0-9]+)*)*s$=f16'
is "a pattern that goes back for ever" 2 "" "the pattern takes too long on .*; write it without nested repeats"
yes '.*.*.*.*[YZ]=f16' | head -n 4000 >"$rules"
plan --type q8_0 --recipe "$rules"
is "patterns that are slow together" 2 "" "my.rules:[0-9]+: .* up to .* the patterns of all rules take too long; write them without"
"$helper" make many "$dir/many.gguf" # of many tensors, steps that are few each are bounded too
yes '.*.*[YZ]=f16' | head -n 4000 >"$rules"
run quantize "$dir/many.gguf" "$dir/out.gguf" --dry-run --type q8_0 --recipe "$rules"
is "many patterns on many tensors" 2 "" "my.rules:[0-9]+: .* up to .* the patterns of all rules take too long; write them without"
rm "$dir/many.gguf"
yes '(?:ab){5000}|attn_q=f16' | head -n 4000 >"$rules"
plan --type q8_0 --recipe "$rules"
is "patterns that become long" 2 "" "my.rules:[0-9]+: .* up to here the patterns of all rules take 16 MiB; write them without counted repeats"
head -c 2000000 /dev/zero | tr '\0' '#' >"$rules"
plan --type q8_0 --recipe "$rules"
is "a large file" 2 "" "my.rules"
yes 'attn=q8_0' | head -n 5000 >"$rules"
plan --type q8_0 --recipe "$rules"
is "many rules" 2 "" "my.rules:4097: more than 4096 rules"
plan --recipe "$dir/none.rules" --type q8_0
is "no file" 2 "" "none.rules"
plan --rule 'attn=q8_0'
is "no base" 2 "" "--type NAME is needed, or a recipe with a base"

# Law 3: protected tensors.
plan --type q8_0 --rule 'ffn_gate_inp=q4_0'
is "a router" 2 "" "--rule: ffn_gate_inp=q4_0 matches tensors alone that keep their types.*--force-rule changes them"
plan --type q8_0 --rule 'ffn_gate_inp=f32'
is "what a router is" 0 "^name " ""
plan --type q8_0 --rule 'ffn_gate_inp=f16' --force-rule
becomes "--force-rule" blk.0.ffn_gate_inp.weight f16 'rule: ffn_gate_inp=f16'
plan --type f16 --rule 'blk=q8_0'
becomes "a wider rule" blk.0.attn_q.weight q8_0 'rule: blk=q8_0'
becomes "a wider rule passes over" blk.0.ffn_gate_inp.weight f32 'protected: a router'

# Law 4: rows that are no whole blocks.
"$helper" make odd "$dir/odd.gguf" # 96 columns
run quantize "$dir/odd.gguf" "$dir/out.gguf" --dry-run --type Q4_K_S
is "fallback" 0 "^name " "^stoker: warning: [0-9]+ tensors have rows that are no multiple of a block and get another type, "
becomes "q4_k" blk.0.ffn_up_exps.weight q5_0 'base; for q4_k, whose blocks have 256'
run quantize "$dir/odd.gguf" "$dir/out.gguf" --dry-run --type iq2_xs
becomes "iq2_xs" blk.0.ffn_up_exps.weight iq4_nl 'base; for iq2_xs, whose blocks have 256'
run quantize "$dir/odd.gguf" "$dir/out.gguf" --type Q4_K_S --no-fallback
is "--no-fallback" 2 "" "has rows of 96, no multiple of the 256 of a block of q4_k; without --no-fallback it becomes q5_0"
"$helper" make wide "$dir/wide.gguf" # 30 columns
run quantize "$dir/wide.gguf" "$dir/out.gguf" --dry-run --type q8_0
becomes "no 32" blk.1.attn_q.weight f16 'base; for q8_0, whose blocks have 32'
becomes "no 32, of bf16" blk.0.attn_q.weight bf16 'base; for q8_0, whose blocks have 32'

# Law 5: what the file says of its recipe makes the same file.
run quantize "$source" "$dir/a.gguf" --type bf16 --rule 'attn_q=q8_0' --rule "exps|it's=f16"
is "a recipe" 0 "bits a weight" ""
run inspect "$dir/a.gguf" --metadata
recipe=$(sed -n 's/^  stoker.quantize.recipe *//p' "$dir/out")
eval "run quantize \"\$source\" \"\$dir/b.gguf\" $recipe"
is "$recipe" 0 "bits a weight" ""
cmp -s "$dir/a.gguf" "$dir/b.gguf" && pass || fail "$recipe" "does not make the same file"
"$helper" compare "$source" "$dir/a.gguf" bf16 >/dev/null 2>&1 && fail "a recipe" "has no effect" || pass

run quantize "$source" "$dir/a.gguf" --rule '=q4_0' --force
is "a base by a rule" 0 "bits a weight" ""
run inspect "$dir/a.gguf" --metadata
recipe=$(sed -n 's/^  stoker.quantize.recipe *//p' "$dir/out")
eval "run quantize \"\$source\" \"\$dir/b.gguf\" --force $recipe"
is "$recipe" 0 "bits a weight" ""
cmp -s "$dir/a.gguf" "$dir/b.gguf" && pass || fail "$recipe" "does not make the same file"

# Eight experts: presets have wider keys and values for them, floats are for all.
run quantize "$golden/cohere2moe.gguf" "$dir/out.gguf" --requantize --dry-run --type bf16
is "floats" 0 "^name " "cohere2moe.gguf names no licence"
grep -q ' q8_0 ' "$dir/out" && fail "floats" "some tensors are not" || pass

# Importance that is demanded and not there.
run quantize "$source" "$dir/out.gguf" --type IQ2_XXS
is "importance" 2 "" "tensors, .* first, get types that are of little use without importance; --imatrix FILE gives it, .*, or --no-imatrix-ok writes them"
[ ! -e "$dir/out.gguf.journal" ] && pass || fail "importance" "something was written"
run quantize "$source" "$dir/out.gguf" --type IQ2_XXS --no-imatrix-ok
is "--no-imatrix-ok" 0 "bits a weight" ""
rm "$dir/out.gguf"
plan --type IQ2_XXS
is "importance, --dry-run" 0 "^importance is demanded by [0-9]+ tensors" ""

# A beginning is enough to plan.
head -c 4096 "$source" >"$dir/begin.gguf"
run quantize "$dir/begin.gguf" "$dir/out.gguf" --dry-run --header-only --type Q6_K
is "--header-only" 0 "^output.weight +512 x 64 +f32 +q6_k " ""
run quantize "$dir/begin.gguf" "$dir/out.gguf" --header-only --type q8_0
is "--header-only without --dry-run" 2 "" "of a beginning only --dry-run shows what would become"
done_testing
