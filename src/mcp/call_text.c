/* See call_text.h. */
#include "mcp/call_text.h"

#include "base/reqmem.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 256 << 10 }; /* bytes that may be of what is kept for small requests */

int call_text_take(struct call_text *t, size_t n, struct reqmem *of)
{
    *t = (struct call_text){NULL, 0, NULL};
    if (reqmem_take_apart(of, n, n > SMALL ? REQMEM_LARGE : REQMEM_SMALL))
        return -1;
    *t = (struct call_text){malloc(n), n, of};
    if (t->text)
        return 0;
    call_text_free(t);
    return -1;
}

/* A line is a message: between its parts JSON may have newlines. */
static char *put_line(char *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    return to + n;
}

int call_text_ask(struct call_text *t, struct span name, const char *arguments, size_t n, struct reqmem *of)
{
    static const char first[] = "\"name\":", second[] = ",\"arguments\":", end[] = ",";
    if (call_text_take(t, strlen(first) + name.n + strlen(second) + n + strlen(end), of))
        return -1;
    char *to = put_line(t->text, first, strlen(first));
    to = put_line(to, name.text, name.n);
    to = put_line(to, second, strlen(second));
    to = put_line(to, arguments, n);
    put_line(to, end, strlen(end));
    return 0;
}

struct call_text call_text_move(struct call_text *t)
{
    struct call_text moved = *t;
    *t = (struct call_text){NULL, 0, NULL};
    return moved;
}

void call_text_free(struct call_text *t)
{
    free(t->text);
    reqmem_give_apart(t->counted, t->n);
    *t = (struct call_text){NULL, 0, NULL};
}
