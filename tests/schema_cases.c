/* links: text format base */
/* Constraints against records: schema_cases [flags] [PATH], a folder like schemas of the test data (its README tells the formats) or
 * one of its files. Without PATH that folder.
 *
 *   --walks N      random walks a schema (default 20; 0: none)     --out FOLDER   their texts, for another validator
 *   --vocab NAME   of texts and walks (default qwen3)              --brute N      masks a case compared with trying every token
 *
 * A record is known by its fields: schema (or schema_text, for numbers that jansson does not hold) with texts or refuse, grammar with
 * texts or error, masks (prefix), triggers, limits (expect). Each case has one line when it fails; verdicts of texts are counted one by
 * one. */
#include "constraint_hostile.h"
#include "constraint_world.h"

#include <glob.h>
#include <sys/stat.h>

enum { PATH = 1200 };

static int n_passed, n_failed, n_skipped;
static int n_walks = 20, n_brute;
static const char *vocab_name = "qwen3", *out_folder;
static char folder[900];

static void verdict(int ok, const char *name, const char *what)
{
    n_passed += ok;
    n_failed += !ok;
    if (!ok)
        printf("FAIL %s: %s\n", name, what);
}

static void verdict_text(int ok, const char *name, const char *what, const char *text)
{
    char why[300];
    snprintf(why, sizeof why, "%.80s: %.200s", what, text);
    verdict(ok, name, why);
}

/* ---- texts ---------------------------------------------------------------------------------------------------------------------- */

static void check_texts(struct vocabulary *v, struct constraint *c, const char *name, json_t *texts, int wanted)
{
    json_t *text;
    size_t i;
    uint64_t random = 1;
    json_array_foreach(texts, i, text)
    {
        const char *s = json_string_value(text), *bug = NULL;
        size_t n = json_string_length(text);
        int same = 1;
        for (int cut = 0; cut < 22 && same && !bug; cut++) {
            enum cutting how = cut == 0 ? CUT_BYTES : cut == 1 ? CUT_LONGEST : CUT_RANDOM;
            struct feeding f = feed(v, c, s, n, how, n < 3000 ? cut < 4 : cut == 1, &random);
            same = f.accepted == wanted;
            bug = f.bug;
        }
        verdict_text(same && !bug, name, bug ? bug : wanted ? "not accepted" : "accepted", s);
    }
}

/* ---- walks ------------------------------------------------------------------------------------------------------------------------ */

static int32_t any_allowed(const struct vocabulary *v, int n, uint64_t *random)
{
    int32_t skip = (int32_t)(rng_u64(11, (*random)++, 0, 0) % (uint64_t)n);
    for (int32_t t = 0; t < v->trie->n_vocab; t++)
        if (v->allowed[t] && skip-- == 0)
            return t;
    return -1;
}

/* Any allowed token, again and again, within a limit. The text is to be freed; NULL: *why says what went wrong. */
static char *walk(struct vocabulary *v, struct constraint *c, int64_t limit, uint64_t *random, const char **why)
{
    static char reason[500];
    struct constraint_state *s;
    struct error err = {0};
    size_t n = 0, room = 4096, length;
    char *text = malloc(room);
    *why = NULL;
    if (!text || constraint_begin(&s, c, &err))
        return free(text), *why = "no state", NULL;
    for (int64_t left = limit; !constraint_finished(s) && !*why; left--) {
        int allowed = left > 0 ? constraint_mask(s, left, v->allowed, &err) : 0;
        int32_t token = allowed > 0 ? any_allowed(v, allowed, random) : -1;
        if (left == 0)
            *why = "the limit came before the end";
        else if (allowed <= 0 || constraint_accept(s, token, &err))
            snprintf(reason, sizeof reason, "%s", err.text), *why = reason;
        if (*why || tokenizer_is_end(v->tokenizer, token))
            continue;
        const char *piece = tokenizer_piece(v->tokenizer, token, 0, &length);
        if (n + length > room) {
            room = (n + length) * 2;
            text = realloc(text, room);
        }
        memcpy(text + n, piece, length);
        n += length;
    }
    if (!*why && !constraint_complete(s))
        *why = "ended before the text was complete";
    constraint_end(s);
    if (!*why && n > 0) {
        json_error_t e;
        json_t *value = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
        if (!value) {
            snprintf(reason, sizeof reason, "not JSON (%.100s): %.*s", e.text, (int)(n < 200 ? n : 200), text);
            *why = reason;
        }
        json_decref(value);
    }
    if (*why) {
        free(text);
        return NULL;
    }
    text = realloc(text, n + 1);
    text[n] = 0;
    return text;
}

/* Outputs under a schema, with limits from the shortest text to 400 tokens, all end in time and are JSON. With --out they are
 * written down: {"schema":..., "text":[...]}, for a validator that is not ours. */
static void check_walks(struct vocabulary *v, struct constraint *c, const char *file, const char *schema)
{
    uint64_t random = 0;
    int64_t shortest = constraint_shortest(c);
    if (shortest == INT64_MAX) /* no answer is that long */
        return;
    const char *why = NULL;
    json_t *texts = json_array();
    int good = 0;
    for (int i = 0; i < n_walks && !why; i++) {
        int64_t limit = shortest + 1 + (i < n_walks / 4 ? i % 8 : (int64_t)(rng_u64(5, random++, 0, 0) % 400));
        char *text = walk(v, c, limit, &random, &why);
        if (text && json_array_append_new(texts, json_string(text)) == 0)
            good++;
        free(text);
    }
    char what[600];
    snprintf(what, sizeof what, "walk %d: %s", good, why ? why : "");
    verdict(!why, file, what);
    if (out_folder) {
        char path[PATH];
        snprintf(path, sizeof path, "%s/%s.walks.json", out_folder, file);
        json_t *doc = json_pack("{s:o,s:o}", "schema", json_loads(schema, JSON_DECODE_ANY, NULL), "text", texts);
        if (json_dump_file(doc, path, 0))
            verdict(0, file, "the walks could not be written");
        json_decref(doc);
    } else {
        json_decref(texts);
    }
}

/* At random places of random texts: the mask is what trying every token says. */
static void check_brute(struct vocabulary *v, struct constraint *c, const char *file)
{
    uint64_t random = 77;
    struct error err = {0};
    int bad = 0;
    for (int i = 0; i < n_brute && !bad;) {
        struct constraint_state *s, *t;
        if (constraint_begin(&s, c, &err) || constraint_begin(&t, c, &err))
            break;
        for (int step = 0; step < 30 && !constraint_finished(s) && i < n_brute && !bad; step++, i++) {
            int n = constraint_mask(s, 1 << 20, v->allowed, &err);
            for (int32_t k = 0; k < v->trie->n_vocab && !bad; k++) {
                constraint_copy(t, s);
                struct error ignored = {0};
                bad = v->allowed[k] != (constraint_accept(t, k, &ignored) == 0);
                if (bad)
                    printf("  token %d: the mask says %d\n", k, v->allowed[k]);
            }
            int32_t token = n > 0 ? any_allowed(v, n, &random) : -1;
            bad |= token < 0 || constraint_accept(s, token, &err);
        }
        constraint_end(s);
        constraint_end(t);
    }
    verdict(!bad, file, "a mask differs from trying every token");
}

static void check_grammar(json_t *r)
{
    struct vocabulary *v = vocabulary(vocab_name);
    struct error err = {0};
    struct constraint_options how = {0};
    const char *name = json_string_value(json_object_get(r, "name")),
               *hint = json_string_value(json_object_get(r, "error"));
    json_t *grammar = json_object_get(r, "grammar");
    if (!v)
        return;
    struct constraint *c = make_constraint(v, FRONT_GBNF, json_string_value(grammar), json_string_length(grammar), &how,
                                           NULL, &err);
    if (hint)
        verdict_text(!c && strstr(err.text, hint), name, "expected an error", c ? "none" : err.text);
    else if (!c)
        verdict_text(0, name, "does not compile", err.text);
    if (c && !hint) {
        check_texts(v, c, name, json_object_get(r, "accept"), 1);
        check_texts(v, c, name, json_object_get(r, "reject"), 0);
    }
    constraint_destroy(c);
}

/* The message must name the place and the keyword; the target of a $ref belongs to the keyword. */
static void check_refused(json_t *r, const char *file, const char *text, size_t n)
{
    struct vocabulary *v = vocabulary(vocab_name);
    struct constraint_options how = {0};
    const char *word = json_string_value(json_object_get(r, "refuse"));
    int lenient_too = strcmp(json_string_value(json_object_get(r, "refused_in")), "always") == 0, warnings = 0;
    struct error strict = {0}, lenient = {0};
    struct constraint *c = make_constraint(v, FRONT_STRICT, text, n, &how, NULL, &strict);
    verdict_text(!c && strstr(strict.text, word) && strstr(strict.text, "#"), file,
                 "strict: not refused as it should be", c ? "compiled" : strict.text);
    constraint_destroy(c);
    c = make_constraint(v, FRONT_SCHEMA, text, n, &how, &warnings, &lenient);
    if (lenient_too)
        verdict_text(!c && strstr(lenient.text, word), file, "lenient: not refused", c ? "compiled" : lenient.text);
    else
        verdict_text(c && warnings >= 1, file, "lenient: no warning, or refused", c ? "no warning" : lenient.text);
    constraint_destroy(c);
}

static void check_schema(json_t *r, const char *file)
{
    struct vocabulary *v = vocabulary(vocab_name);
    struct error err = {0};
    struct constraint_options how = {.close_at_limit = n_walks > 0};
    const char *given = json_string_value(json_object_get(r, "schema_text"));
    char *text = given ? strdup(given) : json_dumps(json_object_get(r, "schema"), JSON_ENCODE_ANY | JSON_COMPACT);
    size_t n = text ? strlen(text) : 0;
    json_t *optional = json_object_get(r, "optional");
    if (!v || !text) {
        n_failed++;
    } else if (json_object_get(r, "refuse")) {
        check_refused(r, file, text, n);
    } else {
        struct constraint *c = make_constraint(v, FRONT_STRICT, text, n, &how, NULL, &err);
        if (!c && optional)
            verdict_text(strstr(err.text, json_string_value(optional)) != NULL, file, "refused without the keyword",
                         err.text);
        else if (!c)
            verdict_text(0, file, "does not compile", err.text);
        if (c) {
            check_texts(v, c, file, json_object_get(r, "valid"), 1);
            check_texts(v, c, file, json_object_get(r, "invalid"), 0);
            check_texts(v, c, file, json_object_get(r, "policy_rejects"), 0);
            if (n_walks)
                check_walks(v, c, file, text);
            if (n_brute)
                check_brute(v, c, file);
        }
        constraint_destroy(c);
    }
    free(text);
}

/* ---- masks ------------------------------------------------------------------------------------------------------------------------ */

/* The schema or grammar that a mask record belongs to: *text is to be freed. */
static int text_of_case(json_t *r, enum front *front, char **text)
{
    char path[PATH];
    const char *file = json_string_value(json_object_get(r, "file")),
               *name = json_string_value(json_object_get(r, "case"));
    snprintf(path, sizeof path, "%s/%s", folder, file ? file : "gbnf.json");
    json_t *doc = json_load_file(path, JSON_ALLOW_NUL, NULL), *x;
    *text = NULL;
    *front = file ? FRONT_STRICT : FRONT_GBNF;
    if (file && doc)
        *text = json_dumps(json_object_get(doc, "schema"), JSON_ENCODE_ANY | JSON_COMPACT);
    size_t i;
    if (!file)
        json_array_foreach(doc, i, x) if (!strcmp(json_string_value(json_object_get(x, "name")), name)) *text = strdup(
            json_string_value(json_object_get(x, "grammar")));
    json_decref(doc);
    return *text ? 0 : -1;
}

static void check_mask(json_t *r, const char *where)
{
    const char *v_name = json_string_value(json_object_get(r, "v")),
               *hash = json_string_value(json_object_get(r, "fnv1a64"));
    struct vocabulary *v = vocabulary(v_name);
    struct error err = {0};
    struct constraint_options how = {0};
    static struct constraint *c; /* records of one case stand together */
    static char key[300];
    char this_key[300], what[400] = "";
    const char *file = json_string_value(json_object_get(r, "file")),
               *name = json_string_value(json_object_get(r, "case"));
    if (!v) {
        n_failed++;
        return;
    }
    snprintf(this_key, sizeof this_key, "%s|%s", v_name, file ? file : name);
    if (!c || strcmp(key, this_key) != 0) {
        enum front front;
        char *text;
        constraint_destroy(c);
        c = NULL;
        if (text_of_case(r, &front, &text) == 0)
            c = make_constraint(v, front, text, strlen(text), &how, NULL, &err);
        free(text);
        snprintf(key, sizeof key, "%s", this_key);
    }
    struct constraint_state *s = NULL;
    if (!c || constraint_begin(&s, c, &err)) {
        verdict_text(0, where, this_key, err.text);
        return;
    }
    size_t i;
    json_t *id;
    json_array_foreach(json_object_get(r, "prefix"), i,
                       id) if (constraint_accept(s, (int32_t)json_integer_value(id), &err))
        snprintf(what, sizeof what, "%.200s: prefix token %zu: %.150s", this_key, i, err.text);
    int got = constraint_mask(s, 1 << 20, v->allowed, &err), n;
    uint64_t h = mask_hash(v, v->allowed, !strcmp(v_name, "qwen3") ? 128247 : -1, &n);
    char hex[20];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)h);
    if (got < 0 && !what[0])
        snprintf(what, sizeof what, "%.200s: %.150s", this_key, err.text);
    else if ((n != json_integer_value(json_object_get(r, "n")) || strcmp(hex, hash) != 0) && !what[0])
        snprintf(what, sizeof what, "%s, prefix of %zu: %d tokens, hash %s, not %d, %s", this_key,
                 json_array_size(json_object_get(r, "prefix")), n, hex,
                 (int)json_integer_value(json_object_get(r, "n")), hash);
    else if (constraint_complete(s) != json_is_true(json_object_get(r, "complete")) && !what[0])
        snprintf(what, sizeof what, "%s: complete %d", this_key, constraint_complete(s));
    verdict(!what[0], where, what);
    constraint_end(s);
}

/* ---- triggers ----------------------------------------------------------------------------------------------------------------------- */

static void check_trigger(json_t *r, const char *where)
{
    struct vocabulary *v = vocabulary(json_string_value(json_object_get(r, "v")));
    const char *grammar = json_string_value(json_object_get(r, "grammar")),
               *text = json_string_value(json_object_get(r, "text"));
    const char *trigger = json_string_value(json_object_get(r, "trigger"));
    struct constraint_trigger t = {.text = trigger, .n = strlen(trigger)};
    struct constraint_phase phase = {&t, 1, 0};
    struct constraint_options how = {&phase, 1, 0};
    struct error err = {0};
    char what[400] = "";
    if (!v) {
        n_failed++;
        return;
    }
    struct constraint *c = make_constraint(v, FRONT_GBNF, grammar, strlen(grammar), &how, NULL, &err);
    struct constraint_state *s = NULL;
    int failed = !c || constraint_begin(&s, c, &err);
    uint64_t random = 0;
    for (size_t at = 0, n = strlen(text); at < n && !failed;) {
        int32_t token = next_token(v, text + at, n - at, CUT_RANDOM, &random);
        failed = constraint_accept(s, token, &err);
        at += token_length(v, token);
    }
    failed = failed || constraint_mask(s, 1 << 20, v->allowed, &err) < 0;
    if (failed) {
        verdict_text(0, where, "error", err.text);
    } else {
        for (int32_t i = 0; i < v->trie->n_vocab; i++) /* the record lists what is denied of the tokens that are text */
            v->allowed[i] = bit_of(v->trie->is_text, (uint32_t)i) && !v->allowed[i];
        int n;
        char hex[20];
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)mask_hash(v, v->allowed, -1, &n));
        if (n != json_integer_value(json_object_get(r, "denied_n")) ||
            strcmp(hex, json_string_value(json_object_get(r, "denied_fnv1a64"))) != 0)
            snprintf(what, sizeof what, "trigger %s behind \"%s\": %d tokens denied, not %d", trigger, text, n,
                     (int)json_integer_value(json_object_get(r, "denied_n")));
        verdict(!what[0], where, what);
    }
    constraint_end(s);
    constraint_destroy(c);
}

static void check_limit(json_t *r)
{
    struct vocabulary *v = vocabulary(vocab_name);
    const char *wrong = v ? check_hostile(v, r) : "skip";
    if (wrong && !strcmp(wrong, "skip"))
        n_skipped++;
    else
        verdict(!wrong, json_string_value(json_object_get(r, "name")), wrong ? wrong : "");
}

/* ---- files -------------------------------------------------------------------------------------------------------------------------- */

static void check_record(json_t *r, const char *where)
{
    if (json_object_get(r, "prefix"))
        check_mask(r, where);
    else if (json_object_get(r, "trigger"))
        check_trigger(r, where);
    else if (json_object_get(r, "expect"))
        check_limit(r);
    else if (json_object_get(r, "schema") || json_object_get(r, "schema_text"))
        check_schema(r, where);
    else if (json_object_get(r, "grammar"))
        check_grammar(r);
}

static void check_file(const char *path)
{
    char where[PATH + 20];
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t n = strlen(path);
    json_error_t e;
    if (n > 6 && !strcmp(path + n - 6, ".jsonl")) {
        FILE *f = fopen(path, "r");
        char *line = NULL;
        size_t room = 0;
        for (int i = 1; f && getline(&line, &room, f) > 0; i++) {
            json_t *r = json_loads(line, JSON_ALLOW_NUL, &e);
            snprintf(where, sizeof where, "%s:%d", name, i);
            if (r)
                check_record(r, where);
            else
                verdict_text(0, where, "not JSON", e.text);
            json_decref(r);
        }
        free(line);
        if (f)
            fclose(f);
        return;
    }
    json_t *doc = json_load_file(path, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e), *r;
    size_t i;
    if (!doc)
        verdict_text(0, name, "not JSON", e.text);
    if (json_is_object(doc))
        check_record(doc, name);
    json_array_foreach(doc, i, r) check_record(r, name);
    json_decref(doc);
}

static void check_path(const char *path)
{
    struct stat st;
    char pattern[PATH];
    glob_t files = {0};
    int is_file = stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", is_file ? (slash ? (int)(slash - path) : 1) : (int)strlen(path),
             is_file && !slash ? "." : path);
    if (is_file) {
        check_file(path);
        return;
    }
    snprintf(pattern, sizeof pattern, "%s/*.json*", folder);
    if (glob(pattern, 0, NULL, &files) == 0)
        for (size_t i = 0; i < files.gl_pathc; i++)
            check_file(files.gl_pathv[i]);
    globfree(&files);
}

int main(int argc, char **argv)
{
    const char *path = TEST_DATA "/schemas";
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && !strcmp(argv[i], "--walks"))
            n_walks = atoi(argv[++i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--brute"))
            n_brute = atoi(argv[++i]);
        else if (i + 1 < argc && !strcmp(argv[i], "--vocab"))
            vocab_name = argv[++i];
        else if (i + 1 < argc && !strcmp(argv[i], "--out"))
            out_folder = argv[++i];
        else
            path = argv[i];
    }
    check_path(path);
    vocabularies_free();
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed > 0;
}
