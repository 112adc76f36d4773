/* See tickets.h. */
#include "server/request/tickets.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void tickets_init(struct tickets *t)
{
    *t = (struct tickets){.list = {{.until_ns = 0}}};
    pthread_mutex_init(&t->lock, NULL);
}

int tickets_give(struct tickets *t, char out[TICKET_DIGITS + 1])
{
    unsigned char bits[TICKET_DIGITS / 2];
    if (getrandom(bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        return -1;
    for (size_t i = 0; i < sizeof bits; i++)
        snprintf(out + 2 * i, 3, "%02x", bits[i]);
    pthread_mutex_lock(&t->lock);
    struct ticket *oldest = &t->list[0];
    for (size_t i = 1; i < TICKETS; i++)
        if (t->list[i].until_ns < oldest->until_ns)
            oldest = &t->list[i];
    oldest->until_ns = clock_ns() + TICKET_SECONDS * UINT64_C(1000000000);
    memcpy(oldest->digits, out, sizeof oldest->digits);
    pthread_mutex_unlock(&t->lock);
    return 0;
}

/* No early end: the time does not tell how much of a ticket was right. */
int tickets_hold(struct tickets *t, const char *digits, size_t n)
{
    int found = 0;
    if (n != TICKET_DIGITS)
        return 0;
    pthread_mutex_lock(&t->lock);
    uint64_t now = clock_ns();
    for (size_t i = 0; i < TICKETS; i++) {
        unsigned differs = t->list[i].until_ns <= now;
        for (size_t k = 0; k < TICKET_DIGITS; k++)
            differs |= (unsigned)(t->list[i].digits[k] ^ digits[k]);
        found |= differs == 0;
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}
