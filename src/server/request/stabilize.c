/* Rules of --stabilize: see stabilize.h. */
#include "server/request/stabilize.h"

#include "server/request/origin.h"

#include <string.h>

struct line {
    const char *text; /* [n], without its line feed */
    size_t n;
};

static int begins(const struct line *l, const char *word)
{
    size_t n = strlen(word);
    return l->n >= n && memcmp(l->text, word, n) == 0;
}

static struct line behind(const struct line *l, size_t n) { return (struct line){l->text + n, l->n - n}; }

/* ---- what a line says ------------------------------------------------------------------------------------------------------ */

static int is_environment(const struct line *whole)
{
    static const char *const words[] = {"Working directory: ",
                                        "working directory: ",
                                        "Primary Working directory: ",
                                        "Primary working directory: ",
                                        "Is a git repo",
                                        "Is directory a git repo",
                                        "Platform:",
                                        "Shell:",
                                        "OS Version:",
                                        "Current branch:",
                                        "Today's date",
                                        "Today's time",
                                        "Current date",
                                        "Current time"};
    size_t indent = 0;
    while (indent < whole->n && (whole->text[indent] == ' ' || whole->text[indent] == '-'))
        indent++;
    struct line l = behind(whole, indent);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(&l, words[i]))
            return 1;
    return 0;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

static int is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* 9: a digit, h: a hexadecimal one, T: T or a blank; others: themselves. */
static int matches(const struct line *l, size_t at, const char *pattern)
{
    size_t n = strlen(pattern);
    if (l->n - at < n)
        return 0;
    for (size_t i = 0; i < n; i++) {
        char c = l->text[at + i], p = pattern[i];
        if (p == '9' ? !is_digit(c) : p == 'h' ? !is_hex(c) : p == 'T' ? c != 'T' && c != ' ' : c != p)
            return 0;
    }
    return 1;
}

/* "20 Nov 2026 12:00", with or without a day in front. */
static int is_mail_date(const struct line *l, size_t at)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    size_t digits = matches(l, at, "99 ") ? 3 : matches(l, at, "9 ") ? 2 : 0;
    if (!digits || l->n - at < digits + 3)
        return 0;
    for (size_t m = 0; m < 36; m += 3)
        if (memcmp(l->text + at + digits, months + m, 3) == 0)
            return matches(l, at + digits + 3, " 9999 99:99");
    return 0;
}

static int is_uuid(const struct line *l, size_t at)
{
    static const char pattern[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    size_t end = at + sizeof pattern - 1;
    return matches(l, at, pattern) && (end == l->n || !is_word(l->text[end]));
}

static int is_stamped(const struct line *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (i && is_word(l->text[i - 1]))
            continue;
        if (matches(l, i, "9999-99-99T99:99") || is_mail_date(l, i) || is_uuid(l, i))
            return 1;
    }
    return 0;
}

static int is_fence(const struct line *l)
{
    size_t i = 0;
    while (i < l->n && i < 3 && l->text[i] == ' ')
        i++;
    struct line rest = behind(l, i);
    return begins(&rest, "```") || begins(&rest, "~~~");
}

/* ---- a block --------------------------------------------------------------------------------------------------------------- */

static void move(struct out *moved, const char *text, size_t n)
{
    if (moved->n)
        out_bytes(moved, "\n", 1);
    out_bytes(moved, text, n);
}

/* The end of a block without its last line feeds. */
static size_t trimmed(const char *text, size_t n)
{
    while (n && text[n - 1] == '\n')
        n--;
    return n;
}

void stabilize_block(const char *text, size_t n, enum stabilize mode, struct out *kept, struct out *moved,
                     unsigned used[STABILIZE_RULES])
{
    int fenced = 0, after_blank = 1;
    for (size_t at = 0, next; at < n; at = next) {
        const char *feed = memchr(text + at, '\n', n - at);
        next = feed ? (size_t)(feed - text) + 1 : n;
        struct line l = {text + at, feed ? next - at - 1 : n - at};
        int fence = is_fence(&l), paragraph = after_blank;
        fenced ^= fence;
        after_blank = l.n == 0;
        if (mode != STABILIZE_OFF && begins(&l, "x-anthropic-billing-header:")) {
            used[0]++;
        } else if (mode == STABILIZE_MOVE && paragraph && begins(&l, "gitStatus:")) {
            used[1]++;
            move(moved, l.text, trimmed(l.text, n - at));
            return;
        } else if (mode == STABILIZE_MOVE && is_environment(&l)) {
            used[2]++;
            move(moved, l.text, l.n);
        } else if (mode == STABILIZE_MOVE && !fenced && !fence && is_stamped(&l)) {
            used[3]++;
            move(moved, l.text, l.n);
        } else {
            out_bytes(kept, l.text, next - at);
        }
    }
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static int is_system(const json_t *message)
{
    return json_is(message, "role", "system") || json_is(message, "role", "developer");
}

/* The text of holder[key], or of the string in list at index: what is left of it in its place. 1: nothing is left of a text that was
 * changed. -1: no memory. */
static int block(json_t *holder, const char *key, enum stabilize mode, struct out *moved,
                 unsigned used[STABILIZE_RULES])
{
    const json_t *text = json_object_get(holder, key);
    struct out kept = {0};
    stabilize_block(json_string_value(text), json_string_length(text), mode, &kept, moved, used);
    int changed = kept.n != json_string_length(text), empty = changed && kept.n == 0, failed = kept.failed;
    if (!failed && changed)
        failed = json_object_set_new(holder, key, json_stringn(kept.n ? kept.text : "", kept.n));
    out_free(&kept);
    return failed ? -1 : empty;
}

/* list becomes what was kept of it; kept is taken. */
static int keep_only(json_t *list, json_t *kept)
{
    int failed = !kept;
    if (kept && json_array_size(kept) < json_array_size(list))
        failed = json_array_clear(list) || json_array_extend(list, kept);
    json_decref(kept);
    return failed ? -1 : 0;
}

/* 1: nothing is left of a content that was changed. */
static int content(json_t *message, enum stabilize mode, struct out *moved, unsigned used[STABILIZE_RULES])
{
    json_t *parts = json_object_get(message, "content");
    if (json_is_string(parts))
        return block(message, "content", mode, moved, used);
    int emptied = 0, failed = 0;
    json_t *kept = json_array();
    for (size_t i = 0; !failed && i < json_array_size(parts); i++) {
        json_t *part = json_array_get(parts, i);
        int empty = block(part, "text", mode, moved, used);
        failed = empty < 0 || (!empty && json_array_append(kept, part));
        emptied |= empty;
    }
    if (failed) {
        json_decref(kept);
        return -1;
    }
    return keep_only(parts, kept) < 0 ? -1 : emptied && json_array_size(parts) == 0;
}

static json_t *with_front(const struct out *front, const json_t *text)
{
    struct out o = {0};
    out_bytes(&o, front->text, front->n);
    out_bytes(&o, json_string_value(text), json_string_length(text));
    json_t *s = o.failed ? NULL : json_stringn(o.text, o.n);
    out_free(&o);
    return s;
}

/* What was moved opens a user's message. */
static int open_with(json_t *message, const struct out *moved)
{
    static const char before[] = "<system-reminder>\n", after[] = "\n</system-reminder>\n";
    struct out front = {0};
    out_bytes(&front, before, sizeof before - 1);
    out_bytes(&front, moved->text, moved->n);
    out_bytes(&front, after, sizeof after - 1);
    json_t *value = json_object_get(message, "content"), *first = json_array_get(value, 0);
    int failed = front.failed || moved->failed;
    if (!failed && json_is_array(value))
        failed = first ? json_object_set_new(first, "text", with_front(&front, json_object_get(first, "text")))
                       : json_array_append_new(value,
                                               json_pack("{s:s, s:s%}", "type", "text", "text", front.text, front.n));
    else if (!failed)
        failed = json_object_set_new(message, "content", with_front(&front, value));
    out_free(&front);
    return failed;
}

static json_t *first_user(const json_t *messages)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (json_is(json_array_get(messages, i), "role", "user"))
            return json_array_get(messages, i);
    return NULL;
}

/* What was messages[before] is messages[now]. */
static int note_place(json_t **places, size_t before, size_t now)
{
    const struct json_at list = {NULL, "messages", 0}, at = {&list, NULL, before};
    if (before == now)
        return 0;
    if (!*places)
        *places = json_object();
    return origin_note(*places, &at, NULL, "messages[%zu]", now);
}

int stabilize(json_t *messages, enum stabilize mode, unsigned used[STABILIZE_RULES], json_t **places)
{
    struct out moved = {0};
    json_t *user = first_user(messages);
    if (mode == STABILIZE_OFF)
        return 0;
    int leading = 1, failed = 0;
    json_t *kept = json_array();
    for (size_t i = 0; !failed && i < json_array_size(messages); i++) {
        json_t *message = json_array_get(messages, i);
        leading = leading && is_system(message);
        enum stabilize here = mode == STABILIZE_MOVE && !(leading && user) ? STABILIZE_STRIP : mode;
        int empty = is_system(message) ? content(message, here, &moved, used) : 0;
        failed = empty < 0 ||
                 (!empty && (note_place(places, i, json_array_size(kept)) || json_array_append(kept, message)));
    }
    if (failed)
        json_decref(kept);
    else
        failed = keep_only(messages, kept);
    if (!failed && (moved.n || moved.failed))
        failed = open_with(user, &moved);
    out_free(&moved);
    return failed ? -1 : 0;
}
