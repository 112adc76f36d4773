/* See session.h. A session that the server has forgotten (404) is opened anew once for each message that met it: the bridge sends the
 * initialize that stoker sent, and notifications/initialized; what was refused with the old one has not run, and is sent again. */
#include "bridge/session.h"

#include <stdio.h>
#include <string.h>

static const char initialized[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
                  has_changed[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}";

static void post_own(struct bridge *b, const char *text, size_t n)
{
    struct message m;
    message_read(&m, text, n);
    bridge_post(b, text, n, &m, 1);
}

static void begin_renewal(struct bridge *b)
{
    b->is_renewing = 1;
    *b->session = *b->revision = 0;
    post_own(b, b->initialize.text, b->initialize.n);
}

void session_send_parked(struct bridge *b)
{
    struct posted *next;
    struct message m;
    b->is_renewing = 0;
    for (struct posted *p = b->posted; p; p = next) {
        next = p->next;
        if (!p->is_parked)
            continue;
        p->is_parked = 0;
        p->is_again = *p->session != 0; /* others only waited for one */
        message_read(&m, p->transfer.body.text, p->transfer.body.n);
        bridge_send(p, &m);
    }
}

int session_is_lost(struct posted *p, long status)
{
    struct bridge *b = p->of;
    if (status != 404 || !*p->session || p->is_again || p->is_own || p->kind == POSTED_INITIALIZE || !b->initialize.n)
        return 0;
    p->is_parked = 1;
    if (strcmp(p->session, b->session) != 0) { /* another one's 404 came first */
        if (!b->is_renewing)
            session_send_parked(b);
    } else if (!b->is_renewing) {
        begin_renewal(b);
    }
    return 1;
}

int session_is_missing(struct posted *p)
{
    struct bridge *b = p->of;
    if (!b->lacks_session || b->is_modern || p->is_own || p->kind != POSTED_REQUEST)
        return 0;
    p->is_parked = 1;
    if (!b->is_renewing)
        begin_renewal(b);
    return 1;
}

void session_take(struct posted *p, const struct message *answer)
{
    struct bridge *b = p->of;
    memcpy(b->session, p->transfer.session, sizeof b->session);
    span_plain(span_member(answer->result, "protocolVersion"), b->revision, sizeof b->revision);
    b->lacks_session = 0;
    if (p->is_own)
        return;
    b->initialize.n = 0;
    buffer_put(&b->initialize, p->transfer.body.text, p->transfer.body.n);
}

void session_renewed(struct bridge *b, const char *sentence)
{
    struct posted *next;
    char text[600];
    snprintf(text, sizeof text, "the server has forgotten its session, and opens no other: %s",
             sentence ? sentence : "");
    b->lacks_session = sentence != NULL;
    if (!sentence) {
        post_own(b, initialized, sizeof initialized - 1);
        bridge_emit(b, has_changed, sizeof has_changed - 1);
        return;
    }
    b->is_renewing = 0;
    for (struct posted *p = b->posted; p; p = next) {
        next = p->next;
        if (!p->is_parked)
            continue;
        bridge_refuse(p, text);
        bridge_drop(b, p);
    }
}

void session_end(struct bridge *b)
{
    struct transfer t = {.wire = &b->wire, .headers = {.curl = &b->wire.curl}, .timeout_ms = GOODBYE_MS};
    int n_running = 1, result;
    if (!*b->session)
        return;
    bridge_put_headers(b, &t.headers, b->session);
    if (transfer_begin(&t) == 0)
        while (b->wire.curl.multi_perform(b->wire.multi, &n_running) == 0 && !transfer_next(&b->wire, &result))
            b->wire.curl.multi_poll(b->wire.multi, NULL, 0, GOODBYE_MS, NULL);
    transfer_free(&t);
}
