/* See toolbox.h. */
#include "toolbox/toolbox.h"

#include "base/error.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *name_of(const json_t *tool)
{
    const char *name = json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
    return name ? name : "";
}

static int has_tool(const struct toolbox_provider *p, const char *name)
{
    size_t i;
    const json_t *tool;
    json_array_foreach(p->list, i, tool) if (strcmp(name_of(tool), name) == 0) return 1;
    return 0;
}

const struct toolbox_provider *toolbox_owner(const struct toolbox *b, const char *name)
{
    for (int i = 0; i < b->n; i++) {
        const struct toolbox_provider *p = &b->provider[i];
        if (has_tool(p, name) || (p->has && p->has(p->self, name)))
            return p;
    }
    return NULL;
}

/* The elements of a list, as they are written, behind those that are there. */
static void put_elements(struct buffer *out, const char *text, size_t n)
{
    static const char blank[] = " \t\r\n";
    if (n < 2)
        return;
    const char *end = text + n - 1;
    while (text < end && strchr(blank, *text))
        text++;
    while (end > text && strchr(blank, *end))
        end--;
    for (text++; text < end && strchr(blank, *text);)
        text++;
    if (text < end && out->n > 1)
        buffer_puts(out, ",");
    buffer_put(out, text, (size_t)(end - text));
}

int toolbox_govern(struct toolbox *b, struct error *err)
{
    b->governs.n = 0;
    b->governs.failed = 0;
    buffer_puts(&b->governs, "[");
    for (int i = 0; i < b->n; i++) {
        const struct toolbox_provider *p = &b->provider[i];
        b->governs.failed |= p->governs && p->governs->failed;
        put_elements(&b->governs, p->governs ? p->governs->text : p->text, p->governs ? p->governs->n : p->n);
    }
    buffer_puts(&b->governs, "]");
    if (b->governs.failed)
        return error_set(err, ERR_MEMORY, "no memory for the tools");
    return b->accepts ? b->accepts(b->accepts_arg, b->governs.text, b->governs.n, err) : 0;
}

int toolbox_add(struct toolbox *b, const struct toolbox_provider *p, struct error *err)
{
    size_t i;
    const json_t *tool;
    json_array_foreach(p->list, i, tool)
    {
        const struct toolbox_provider *other = toolbox_owner(b, name_of(tool));
        if (other && *name_of(tool))
            return error_set(err, ERR_INPUT, "%s and %s both have a tool %s", other->from, p->from, name_of(tool));
    }
    if (b->n == TOOLBOX_PROVIDERS)
        return error_set(err, ERR_BUG, "more than %d providers of tools", TOOLBOX_PROVIDERS);
    if (!b->shown)
        b->shown = json_array();
    if (!b->shown || json_array_extend(b->shown, (json_t *)p->list))
        return error_set(err, ERR_MEMORY, "no memory for the tools");
    b->provider[b->n++] = *p;
    int rounds = p->rounds ? p->rounds : TOOLBOX_ROUNDS;
    b->rounds = rounds > b->rounds ? rounds : b->rounds;
    return toolbox_govern(b, err);
}

void toolbox_free(struct toolbox *b)
{
    json_decref(b->shown);
    buffer_free(&b->governs);
    *b = (struct toolbox){.n = 0};
}

/* ---- calls ------------------------------------------------------------------------------------------- */

/* Where the character of this number begins. */
static size_t place_of(const char *text, size_t n, size_t character)
{
    size_t at = 0;
    for (; at < n; at++)
        if (utf8_begins(text[at]) && character-- == 0)
            break;
    return at;
}

/* The head and the tail, where it is longer than a result may be. */
static void put_bounded(struct buffer *out, const char *text, size_t n)
{
    size_t count = n > TOOLBOX_RESULT ? utf8_count(text, n) : 0, half = TOOLBOX_RESULT / 2 - 40;
    if (count <= TOOLBOX_RESULT) {
        buffer_put(out, text, n);
        return;
    }
    char note[80];
    size_t head = place_of(text, n, half), tail = place_of(text, n, count - half);
    snprintf(note, sizeof note, "\n[%zu characters are left out here]\n", count - 2 * half);
    buffer_put(out, text, head);
    buffer_puts(out, note);
    buffer_put(out, text + tail, n - tail);
}

static enum toolbox_end name_nothing(const struct toolbox *b, const char *name, struct buffer *out)
{
    size_t i;
    const json_t *tool;
    buffer_puts(out, "error: there is no tool ");
    buffer_put_valid(out, name, strnlen(name, 200));
    buffer_puts(out, json_array_size(b->shown) ? "; there are" : "");
    json_array_foreach(b->shown, i, tool)
    {
        buffer_puts(out, i ? ", " : " ");
        buffer_puts(out, name_of(tool));
        if (i == 50)
            break;
    }
    return TOOLBOX_DONE;
}

enum toolbox_end toolbox_run(const struct toolbox *b, const struct toolbox_call *c, struct buffer *out)
{
    const struct toolbox_provider *p = toolbox_owner(b, c->name);
    struct buffer raw = {0}, valid = {0};
    if (!p)
        return name_nothing(b, c->name, out);
    if (!p->call)
        return TOOLBOX_NONE;
    enum toolbox_end end = p->call(p->self, c, &raw);
    if (end == TOOLBOX_DONE) {
        buffer_put_valid(&valid, raw.text, raw.n);
        put_bounded(out, valid.text, valid.n);
        out->failed |= raw.failed | valid.failed;
    }
    buffer_free(&raw);
    buffer_free(&valid);
    return end;
}

int toolbox_is_error(const char *text, size_t n)
{
    static const char begin[] = "error: ";
    return n >= sizeof begin - 1 && memcmp(text, begin, sizeof begin - 1) == 0;
}

int toolbox_is_free(const struct toolbox *b, const char *name)
{
    const struct toolbox_provider *p = toolbox_owner(b, name);
    return !p || (p->call && !p->asks);
}

/* ---- what the context has for results ---------------------------------------------------------------- */

const char toolbox_no_space[] = "error: the result does not fit in the context; answer from what is there";

size_t toolbox_kept(size_t n_ctx, size_t max_tokens)
{
    size_t most = n_ctx / 4 < 1024 ? n_ctx / 4 : 1024;
    return max_tokens > 0 && max_tokens < most ? max_tokens : most;
}

/* Words of most languages have more than two bytes a token. */
size_t toolbox_space(size_t n_ctx, size_t max_tokens, size_t n_taken, size_t n_call)
{
    n_taken += toolbox_kept(n_ctx, max_tokens);
    return n_taken < n_ctx ? 2 * (n_ctx - n_taken) / n_call : 0;
}
