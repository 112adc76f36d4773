/* Values as text: what {{ v }}, ~ and the filter string give. Containers appear as Python literals, and such a text is rebuilt:
 * all of it has the greatest origin of any string inside. templates.md 3.6, 7. */
#include "text/jinja/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The containers around a value, so that one inside itself is seen. */
struct inside {
    const struct inside *outer;
    const void *container;
};

static int is_inside(struct jrun *r, const struct inside *i, const void *container)
{
    for (; i; i = i->outer) {
        jwork(r, 1);
        if (i->container == container)
            return 1;
    }
    return 0;
}

static enum text_origin greatest_in(struct jrun *r, struct jvalue v, const struct inside *outer)
{
    struct inside here = {outer, v.u.list};
    enum text_origin most = ORIGIN_TEMPLATE, one;
    jdeeper(r);
    if (v.type == J_STRING)
        return jstring_greatest(r, v.u.s);
    if (v.type == J_VIEW)
        return greatest_in(r, jdictv((struct jdict *)v.u.view->dict), outer);
    if ((v.type != J_LIST && v.type != J_TUPLE && v.type != J_DICT) || is_inside(r, outer, v.u.list))
        return ORIGIN_TEMPLATE;
    if (v.type == J_DICT) {
        for (size_t i = 0; i < v.u.dict->n && most < ORIGIN_USER; i++) {
            one = greatest_in(r, v.u.dict->entry[i].key, &here);
            most = one > most ? one : most;
            one = greatest_in(r, v.u.dict->entry[i].value, &here);
            most = one > most ? one : most;
        }
    } else {
        for (size_t i = 0; i < v.u.list->n && most < ORIGIN_USER; i++) {
            one = greatest_in(r, v.u.list->item[i], &here);
            most = one > most ? one : most;
        }
    }
    return most;
}

enum text_origin jgreatest(struct jrun *r, struct jvalue v) { return greatest_in(r, v, NULL); }

/* ---- Python literals ---- */

static void repr_string(struct jbuffer *b, const struct jstring *s)
{
    char quote = memchr(s->bytes, '\'', s->n) && !memchr(s->bytes, '"', s->n) ? '"' : '\'', out[16];
    jwork(b->run, 4 * s->n);
    jbuffer_word(b, s->safe ? "Markup(" : "");
    jbuffer_add(b, &quote, 1, ORIGIN_TEMPLATE);
    for (size_t at = 0, length; at < s->n; at += length) {
        uint32_t code = jchar_code(s, at, &length);
        size_t n;
        if (code == '\\' || code == (uint32_t)quote)
            n = (size_t)sprintf(out, "\\%c", (char)code);
        else if (code == '\n' || code == '\r' || code == '\t')
            n = (size_t)sprintf(out, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        else if (jprintable(code)) {
            jbuffer_add(b, s->bytes + at, length, ORIGIN_TEMPLATE);
            continue;
        } else
            n = (size_t)sprintf(out, code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x", code);
        jbuffer_add(b, out, n, ORIGIN_TEMPLATE);
    }
    jbuffer_add(b, &quote, 1, ORIGIN_TEMPLATE);
    jbuffer_word(b, s->safe ? ")" : "");
}

static void repr_in(struct jbuffer *b, struct jvalue v, const struct inside *outer);

static void repr_items(struct jbuffer *b, const struct jlist *l, const struct inside *here)
{
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            jbuffer_word(b, ", ");
        repr_in(b, l->item[i], here);
    }
}

static void repr_entries(struct jbuffer *b, const struct jdict *d, const struct inside *here)
{
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            jbuffer_word(b, ", ");
        repr_in(b, d->entry[i].key, here);
        jbuffer_word(b, ": ");
        repr_in(b, d->entry[i].value, here);
    }
}

static void repr_container(struct jbuffer *b, struct jvalue v, const struct inside *outer)
{
    struct inside here = {outer, v.u.list};
    static const char *const open[] = {"[", "(", "{"}, *const close[] = {"]", ")", "}"};
    int which = v.type == J_LIST ? 0 : v.type == J_TUPLE ? 1 : 2;
    jbuffer_word(b, open[which]);
    if (is_inside(b->run, outer, v.u.list))
        jbuffer_word(b, "...");
    else if (v.type == J_DICT)
        repr_entries(b, v.u.dict, &here);
    else
        repr_items(b, v.u.list, &here);
    if (v.type == J_TUPLE && v.u.list->n == 1)
        jbuffer_word(b, ",");
    jbuffer_word(b, close[which]);
}

static void repr_view(struct jbuffer *b, struct jvalue v)
{
    static const char *const names[] = {"dict_keys(", "dict_values(", "dict_items("};
    jbuffer_word(b, names[v.u.view->of]);
    repr_container(b, jlistv(jlist_of(b->run, v)), NULL);
    jbuffer_word(b, ")");
}

static void repr_in(struct jbuffer *b, struct jvalue v, const struct inside *outer)
{
    char text[160];
    jdeeper(b->run);
    switch (v.type) {
    case J_UNDEFINED:
        jbuffer_word(b, "Undefined");
        break;
    case J_NONE:
        jbuffer_word(b, "None");
        break;
    case J_BOOL:
        jbuffer_word(b, v.u.i ? "True" : "False");
        break;
    case J_INT:
        snprintf(text, sizeof text, "%" PRId64, v.u.i);
        jbuffer_word(b, text);
        break;
    case J_FLOAT:
        jfloat_text(b->run, v.u.f, text);
        jbuffer_word(b, text);
        break;
    case J_NUMBER:
        jbuffer_add(b, v.u.number->text, v.u.number->n, ORIGIN_TEMPLATE);
        break;
    case J_STRING:
        repr_string(b, v.u.s);
        break;
    case J_LIST:
    case J_TUPLE:
    case J_DICT:
        repr_container(b, v, outer);
        break;
    case J_RANGE:
        snprintf(text, sizeof text,
                 v.u.range->step == 1 ? "range(%" PRId64 ", %" PRId64 ")"
                                      : "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")",
                 v.u.range->start, v.u.range->stop, v.u.range->step);
        jbuffer_word(b, text);
        break;
    case J_VIEW:
        repr_view(b, v);
        break;
    default:
        jfail(b->run, JINJA_RUNTIME, "a %s cannot be printed", jtype_name(v));
    }
}

void jrepr(struct jbuffer *b, struct jvalue v) { repr_in(b, v, NULL); }

const struct jstring *jtext(struct jrun *r, struct jvalue v)
{
    if (v.type == J_STRING)
        return v.u.s;
    struct jbuffer b = jbuffer_new(r);
    if (v.type != J_UNDEFINED)
        jrepr(&b, v);
    const struct jstring *s = jbuffer_done(&b);
    enum text_origin origin = jgreatest(r, v);
    return origin == ORIGIN_TEMPLATE ? s : jstring_marked(r, s, origin);
}
