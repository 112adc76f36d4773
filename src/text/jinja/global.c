/* The functions that every template has. templates.md 1. */
#include "text/jinja/tree.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct jvalue global_raise(struct jcall *c) { jraise(c->run, jtext(c->run, c->arg[0])); }

/* ---- the clock ---- */

static int days_before(int year, int month)
{
    static const int days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month > 2);
}

/* Sunday is 0 (Zeller's congruence, Gregorian). */
static int weekday(int year, int month, int day)
{
    int y = month < 3 ? year - 1 : year;
    return (y + y / 4 - y / 100 + y / 400 + (int)("\0\3\2\5\0\3\5\1\4\6\2\4"[month - 1]) + day) % 7;
}

static struct jinja_clock now(const struct jrun *r)
{
    if (r->clock)
        return *r->clock;
    time_t seconds = time(NULL);
    struct tm t;
    localtime_r(&seconds, &t);
    return (struct jinja_clock){t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec};
}

static void write_field(struct jcall *c, struct jbuffer *b, char field, const struct jinja_clock *t)
{
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const char *day = days[weekday(t->year, t->month, t->day)], *month = months[t->month - 1];
    char text[32];
    jwork(c->run, 2 * JSTEP);
    switch (field) {
    case 'Y':
        snprintf(text, sizeof text, "%04d", t->year);
        break;
    case 'y':
        snprintf(text, sizeof text, "%02d", t->year % 100);
        break;
    case 'm':
        snprintf(text, sizeof text, "%02d", t->month);
        break;
    case 'd':
        snprintf(text, sizeof text, "%02d", t->day);
        break;
    case 'H':
        snprintf(text, sizeof text, "%02d", t->hour);
        break;
    case 'I':
        snprintf(text, sizeof text, "%02d", t->hour % 12 ? t->hour % 12 : 12);
        break;
    case 'M':
        snprintf(text, sizeof text, "%02d", t->minute);
        break;
    case 'S':
        snprintf(text, sizeof text, "%02d", t->second);
        break;
    case 'j':
        snprintf(text, sizeof text, "%03d", days_before(t->year, t->month) + t->day);
        break;
    case 'p':
        snprintf(text, sizeof text, "%s", t->hour < 12 ? "AM" : "PM");
        break;
    case 'B':
    case 'b':
        snprintf(text, sizeof text, "%.*s", field == 'B' ? 20 : 3, month);
        break;
    case 'A':
    case 'a':
        snprintf(text, sizeof text, "%.*s", field == 'A' ? 20 : 3, day);
        break;
    case '%':
        snprintf(text, sizeof text, "%%");
        break;
    default:
        jfail(c->run, JINJA_RUNTIME, "strftime_now: %%%c is not supported", field >= 32 && field < 127 ? field : '?');
    }
    jbuffer_word(b, text);
}

static struct jvalue global_strftime(struct jcall *c)
{
    const struct jstring *format = jarg_string(c, 0);
    struct jinja_clock t = now(c->run);
    struct jbuffer b = jbuffer_new(c->run);
    jwork(c->run, 16 * JSTEP);
    for (size_t i = 0; i < format->n; i++) {
        if (format->bytes[i] == '%' && i + 1 < format->n)
            write_field(c, &b, format->bytes[++i], &t);
        else
            jbuffer_string(&b, jstring_view(c->run, format, i, 1));
    }
    return jstr(jbuffer_done(&b));
}

/* ---- makers ---- */

static struct jvalue global_namespace(struct jcall *c)
{
    struct jvalue v = jmake_dict(c);
    v.type = J_NAMESPACE;
    return v;
}

static struct jvalue global_range(struct jcall *c)
{
    struct jrange *range = jalloc(c->run, sizeof *range);
    int64_t a = jarg_int(c, 0, 0), step = jarg_int(c, 2, 1), span;
    int two = c->arg[1].type != J_UNSET;
    *range = (struct jrange){two ? a : 0, two ? jarg_int(c, 1, 0) : a, step, 0};
    if (step == 0)
        jfail(c->run, JINJA_RUNTIME, "range with the step 0");
    if (__builtin_sub_overflow(range->stop, range->start, &span) || step == INT64_MIN)
        jfail(c->run, JINJA_LIMIT, "a range has at most %d items", JRANGE_MOST);
    if (step > 0)
        range->n = span > 0 ? (span - 1) / step + 1 : 0;
    else
        range->n = span < 0 ? (-(span + 1)) / -step + 1 : 0;
    if (range->n > JRANGE_MOST)
        jfail(c->run, JINJA_LIMIT, "a range has at most %d items, not %lld", JRANGE_MOST, (long long)range->n);
    return (struct jvalue){J_RANGE, {.range = range}};
}

static struct jvalue maker(struct jcall *c, enum jtype type, struct jlist *items)
{
    struct jcycler *cycler = jalloc(c->run, sizeof *cycler);
    cycler->items = items;
    return (struct jvalue){type, {.cycler = cycler}};
}

static struct jvalue global_cycler(struct jcall *c)
{
    struct jlist *items = jlist_new(c->run, c->n);
    if (c->n == 0 || c->n_keyed)
        jfail(c->run, JINJA_RUNTIME, "cycler needs at least one item");
    for (size_t i = 0; i < c->n; i++)
        jlist_add(c->run, items, c->arg[i]);
    return maker(c, J_CYCLER, items);
}

static struct jvalue global_joiner(struct jcall *c)
{
    struct jlist *items = jlist_new(c->run, 1);
    jlist_add(c->run, items, c->arg[0].type == J_UNSET ? jstr(jstring_word(c->run, ", ")) : c->arg[0]);
    return maker(c, J_JOINER, items);
}

static const struct jbuiltin globals[] = {
    {"raise_exception", global_raise, "message", 1},
    {"strftime_now", global_strftime, "format", 1},
    {"namespace", global_namespace, NULL, 0},
    {"dict", jmake_dict, NULL, 0},
    {"range", global_range, "start stop step", 1},
    {"cycler", global_cycler, NULL, 0},
    {"joiner", global_joiner, "sep", 0},
    {"lipsum", NULL, NULL, 0},
    {0},
};

const struct jbuiltin *jglobal_find(const struct jstring *name) { return jbuiltin_find(globals, name); }
