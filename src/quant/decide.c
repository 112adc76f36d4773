/* The type of every tensor, from names and shapes alone (quantize.md 3): what its preset says, unless a rule says otherwise, unless it is
 * protected; then what its columns allow. */
#include "quant/inside.h"

#include "base/log.h"
#include "quant/encode.h"
#include "quant/preset.h"
#include "quant/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct decision {
    struct quant_job *j;
    struct rules rules;
    const struct preset *preset; /* NULL: base for all */
    int base;                    /* enum block_type, or QUANT_KEEP */
    struct preset_model model;
};

/* ---- the base -------------------------------------------------------------------------------------------------------------------- */

static int find_base(struct decision *d, struct error *err)
{
    const struct quant_options *o = d->j->options;
    int flag = d->rules.flag_base, file = d->rules.file_base;
    d->base = flag >= 0 ? flag : o->type ? rule_type(o->type) : file;
    if (flag < 0 && o->type && (d->preset = preset_find(o->type)))
        d->base = (int)d->preset->base;
    if (d->base >= 0)
        return 0;
    if (!o->type)
        return error_set(err, ERR_INPUT,
                         "--type NAME is needed, or a recipe with a base (=TYPE): Q4_K_M, q8_0, bf16, keep");
    return error_set(err, ERR_INPUT,
                     "--type %.60s: neither a preset nor a block type has this name; Q4_K_M, q8_0, bf16, keep",
                     o->type);
}

/* ---- rules ----------------------------------------------------------------------------------------------------------------------- */

/* The first rule that matches and may decide; -1: none. All rules count what they match. */
static int apply_rules(struct decision *d, const struct gguf_tensor *t, int is_protected, int *chosen,
                       struct error *err)
{
    *chosen = -1;
    for (int i = 0; i < d->rules.n; i++) {
        struct rule *r = &d->rules.rule[i];
        int matches;
        if (rule_matches(&d->rules, r, t->name, &matches, err))
            return -1;
        if (!matches)
            continue;
        r->n_free += !is_protected;
        r->n_protected += is_protected != 0;
        r->n_other += is_protected && r->type != QUANT_KEEP && r->type != (int)t->type;
        *chosen = *chosen < 0 ? i : *chosen;
    }
    return 0;
}

/* A rule that decides nothing says so. */
static int check_rules(const struct decision *d, struct error *err)
{
    const struct quant_options *o = d->j->options;
    for (int i = 0; i < d->rules.n; i++) {
        const struct rule *r = &d->rules.rule[i];
        if (r->n_free == 0 && r->n_protected == 0 && o->strict)
            return error_set(err, ERR_INPUT, "%s: %.100s matches no tensor of %s", r->where, r->text, o->in);
        if (r->n_free == 0 && r->n_protected == 0)
            log_line(LOG_WARN, "%s: %.100s matches no tensor of %s", r->where, r->text, o->in);
        if (r->n_free == 0 && r->n_other && !o->force_rule)
            return error_set(err, ERR_INPUT,
                             "%s: %.100s matches tensors alone that keep their types, such as vectors, norms and "
                             "routers; --force-rule changes them all the same",
                             r->where, r->text);
    }
    return 0;
}

/* ---- one tensor ------------------------------------------------------------------------------------------------------------------ */

/* Tables that are looked up, not multiplied with: four bits ruin them. */
static int is_table(const char *name) { return strstr(name, "per_layer_token_embd") || strstr(name, "engram_embd"); }

static double bits_of(enum block_type t) { return 8.0 * type_info(t)->bytes / type_info(t)->block; }

/* What a type of 256 values a block becomes where the columns are no multiple of it (quantize.md 3.3). */
static enum block_type smaller_block(enum block_type t, enum block_type source)
{
    switch (t) {
    case TYPE_Q2_K:
    case TYPE_Q3_K:
    case TYPE_TQ1_0:
    case TYPE_TQ2_0:
        return TYPE_Q4_0;
    case TYPE_Q4_K:
        return TYPE_Q5_0;
    case TYPE_Q5_K:
        return TYPE_Q5_1;
    case TYPE_Q6_K:
        return TYPE_Q8_0;
    case TYPE_IQ1_S:
    case TYPE_IQ1_M:
    case TYPE_IQ2_XXS:
    case TYPE_IQ2_XS:
    case TYPE_IQ2_S:
    case TYPE_IQ3_XXS:
    case TYPE_IQ3_S:
    case TYPE_IQ4_XS:
        return TYPE_IQ4_NL;
    default:
        return source == TYPE_BF16 ? TYPE_BF16 : TYPE_F16;
    }
}

static int fit_columns(const struct decision *d, const struct gguf_tensor *from, struct quant_tensor *to,
                       struct error *err)
{
    to->wanted = to->type;
    while (from->ne[0] % (uint64_t)type_info(to->type)->block != 0)
        to->type = smaller_block(to->type, from->type);
    if (to->type == to->wanted || !d->j->options->no_fallback)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s: %s has rows of %" PRIu64 ", no multiple of the %d of a block of %s; without "
                     "--no-fallback it becomes %s",
                     d->j->options->in, from->name, from->ne[0], type_info(to->wanted)->block,
                     type_info(to->wanted)->name, type_info(to->type)->name);
}

/* A source of blocks loses twice; asked for by name alone. */
static int check_source(const struct quant_job *j, const struct gguf_tensor *from, enum block_type to,
                        struct error *err)
{
    if (j->options->requantize || to == from->type || to == TYPE_F32 || type_info(from->type)->block == 1)
        return 0;
    return error_set(err, ERR_INPUT,
                     "%s: %s is quantised already (%s): %s out of it has the errors of both; better from the original "
                     "file, or --requantize",
                     j->options->in, from->name, type_info(from->type)->name, type_info(to)->name);
}

static enum block_type type_of(int type, const struct gguf_tensor *from)
{
    return type == QUANT_KEEP ? from->type : (enum block_type)type;
}

static int decide_one(struct decision *d, uint64_t i, struct error *err)
{
    const struct quant_options *o = d->j->options;
    const struct gguf_tensor *from = &d->j->in->tensor[i];
    struct quant_tensor *to = &d->j->tensor[i];
    const char *kept = protect_reason(from);
    int rule;
    *to = (struct quant_tensor){.type = from->type, .why = QUANT_PROTECTED, .reason = kept};
    if (!kept) {
        /* Asked in any case: it counts. */
        enum block_type of_preset = d->preset ? preset_type(d->preset, &d->model, from) : type_of(d->base, from);
        to->type = o->pure || !d->preset ? type_of(d->base, from) : of_preset;
        to->why = (int)to->type == d->base || d->base == QUANT_KEEP ? QUANT_BASE : QUANT_PRESET;
        to->reason = to->why == QUANT_PRESET ? d->preset->name : NULL;
        if (is_table(from->name) && d->base != QUANT_KEEP && bits_of(to->type) < bits_of(TYPE_Q8_0))
            *to = (struct quant_tensor){.type = TYPE_Q8_0, .why = QUANT_PRESET, .reason = "a table that is looked up"};
    }
    if (apply_rules(d, from, kept != NULL, &rule, err))
        return -1;
    int has_numbers = type_info(from->type)->decode != NULL;
    if (rule >= 0 && (!kept || (o->force_rule && has_numbers)))
        *to = (struct quant_tensor){
            .type = type_of(d->rules.rule[rule].type, from), .why = QUANT_RULE, .reason = d->rules.rule[rule].text};
    return fit_columns(d, from, to, err) || check_source(d->j, from, to->type, err) ? -1 : 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------------------- */

static int by_visit(const void *a, const void *b)
{
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;
    return preset_before(x->name, y->name);
}

static int decide_all(struct decision *d, struct error *err)
{
    const struct gguf *g = d->j->in;
    const struct gguf_tensor **order = malloc((g->n_tensor + 1) * sizeof *order);
    d->j->n_deciding += (g->n_tensor + 1) * sizeof *order;
    int status = order ? 0 : error_set(err, ERR_MEMORY, "%s: no memory for its tensors", d->j->options->in);
    for (uint64_t i = 0; order && i < g->n_tensor; i++)
        order[i] = &g->tensor[i];
    if (order)
        qsort(order, g->n_tensor, sizeof *order, by_visit);
    for (uint64_t i = 0; status == 0 && i < g->n_tensor; i++)
        status = decide_one(d, (uint64_t)(order[i] - g->tensor), err);
    free(order);
    return status;
}

/* These say nothing useful without importance: 1 and 2 bits, iq3_xxs, and q2_k of a preset that has no better bits elsewhere. */
static int demands_importance(const struct decision *d, const struct gguf_tensor *from, enum block_type t)
{
    int is_edge = strcmp(from->name, "output.weight") == 0 || strcmp(from->name, "token_embd.weight") == 0;
    if (t == from->type || is_edge)
        return 0;
    if (t == TYPE_Q2_K)
        return d->preset && strcmp(d->preset->name, "Q2_K_S") == 0;
    return t == TYPE_IQ1_S || t == TYPE_IQ1_M || t == TYPE_IQ2_XXS || t == TYPE_IQ2_XS || t == TYPE_IQ2_S ||
           t == TYPE_IQ3_XXS;
}

/* What a run would stumble over, and what is not as it was asked for. */
static void look_over(struct decision *d)
{
    struct quant_job *j = d->j;
    const struct gguf_tensor *first = NULL;
    for (uint64_t i = 0; i < j->in->n_tensor; i++) {
        const struct gguf_tensor *from = &j->in->tensor[i];
        const struct quant_tensor *to = &j->tensor[i];
        if (to->type != to->wanted) {
            first = first ? first : from;
            j->n_fallback++;
        }
        int has = j->importance ? to->importance != NULL : j->options->has_importance;
        if (!demands_importance(d, from, to->type) || has)
            continue;
        j->n_needs_draft += quant_is_draft(j, i);
        if (j->n_needs_importance++ == 0)
            j->needs_importance = from->name;
    }
    if (first)
        log_line(LOG_WARN,
                 "%" PRIu64
                 " tensors have rows that are no multiple of a block and get another type, %s first (--dry-run "
                 "shows all)",
                 j->n_fallback, first->name);
}

/* As a command line has it: the same again gives the same bytes. */
static int note_recipe(struct decision *d, struct error *err)
{
    const struct quant_options *o = d->j->options;
    char *text = NULL;
    size_t n = 0;
    int is_rule = 0;
    FILE *f = open_memstream(&text, &n);
    if (f) {
        const char *base = d->preset               ? d->preset->name
                           : d->base == QUANT_KEEP ? "keep"
                                                   : type_info((uint32_t)d->base)->name;
        if (d->preset && d->preset->base == (enum block_type)rule_type(base))
            base = type_info(d->preset->base)->name;
        else if (!d->preset && preset_find(base)) /* --type would take the preset of this name */
            is_rule = 1;
        fprintf(f, is_rule ? "--rule '=%s'" : "--type %s", base);
        fputs(o->pure ? " --pure" : "", f);
        for (int i = 0; i < d->rules.n; i++) {
            fputs(" --rule '", f);
            for (const char *c = d->rules.rule[i].text; *c; c++)
                *c == '\'' ? fputs("'\\''", f) : fputc(*c, f);
            fputc('\'', f);
        }
        fputs(o->force_rule ? " --force-rule" : "", f);
        fputs(o->effort == QUANT_FAST ? " --effort fast" : o->effort == QUANT_MAX ? " --effort max" : "", f);
        fputs(o->no_gain ? " --gain off" : "", f);
        if (o->prior && *o->prior != 1)
            fprintf(f, " --prior %.9g", *o->prior);
        if (fclose(f) == 0)
            d->j->recipe = arena_copy(&d->j->arena, text, n);
    }
    free(text);
    d->j->n_deciding += 3 * n; /* such a stream grows by doubling, and is copied then */
    return d->j->recipe ? 0 : error_set(err, ERR_MEMORY, "%s: no memory for its keys", o->out);
}

int quant_decide(struct quant_job *j, struct error *err)
{
    struct decision d = {.j = j};
    int status = rules_read(&d.rules, j->options, &j->arena, err) || find_base(&d, err) ? -1 : 0;
    if (!status) {
        preset_model_of(&d.model, j->in, quant_has_importance(j));
        status = decide_all(&d, err) || check_rules(&d, err) || note_recipe(&d, err) ? -1 : 0;
    }
    if (!status)
        status = quant_weigh(j, err);
    if (!status) {
        j->file_type = d.preset && d.rules.n == 0 && !j->options->pure ? d.preset->file_type : -1;
        look_over(&d);
    }
    j->n_deciding += d.rules.most_bytes;
    rules_end(&d.rules);
    return status;
}
