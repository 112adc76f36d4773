/* See forced.h. */
#include "engine/draft/forced.h"

#include "base/error.h"
#include "text/constraint/constraint.h"
#include "text/tokenizer/tokenizer.h"

#include <string.h>

/* Bytes of text that are looked at for a draft, about, as tokens are seldom longer; and behind them all, as a word that is cut is spelled
 * otherwise from its beginning. */
enum { PIECE = 8, BEHIND = 24, MOST_BYTES = PIECE * STOKER_DRAFT_MOST + BEHIND };
enum { GUESSED = 32 * STOKER_DRAFT_MOST };          /* bytes of a guess that are followed at most */
enum { WORK_OF_BYTE = 16 };                         /* of the tokenizer, as CONSTRAINT_MS counts */
enum { FIRST = 8, PATIENCE = 4, LONGEST_REST = 6 }; /* refused guesses until they rest; 2^6 steps at most */

int forced_most(struct forced *f, int most)
{
    int n = f->most ? f->most : FIRST;
    if (f->rests > 0) {
        f->rests--;
        return 0;
    }
    return n < most ? n : most;
}

void forced_learn(struct forced *f, int n, int n_right, int refused)
{
    if (n > 0 && n_right == 0 && refused) {
        f->most = n > 1 ? 1 : f->most;
        if (++f->refused >= PATIENCE) {
            int more = f->refused - PATIENCE;
            f->rests = 1 << (3 + more < LONGEST_REST ? 3 + more : LONGEST_REST);
        }
    } else if (n_right > 0) {
        int now = f->most ? f->most : FIRST;
        if (!refused)
            f->most = n_right < now ? now : 2 * now < STOKER_DRAFT_MOST ? 2 * now : STOKER_DRAFT_MOST;
        else if (n_right < n - 1) /* the last one may be spelled in one with what is chosen behind it */
            f->most = n_right;
        f->refused = 0;
    }
}

static size_t bytes_of(const struct tokenizer *t, const int32_t *id, size_t n)
{
    size_t sum = 0, bytes;
    for (size_t i = 0; i < n; i++) {
        tokenizer_piece(t, id[i], 0, &bytes);
        sum += bytes;
    }
    return sum;
}

/* Of a text's tokens, the first that is not of the first `skip` bytes. -1: a token holds bytes of both. */
static int behind(const struct tokenizer *t, const struct token_list *l, size_t skip)
{
    size_t at = 0, bytes;
    int i = 0;
    for (; at < skip && (size_t)i < l->n; at += bytes)
        tokenizer_piece(t, l->id[i++], 0, &bytes);
    return at == skip ? i : -1;
}

/* Tokens of text [n] behind n_lead bytes, which stand before it: some vocabularies put a space before what they encode, and it has to stay
 * apart. Returns how many there are, of which at most `most` are in out. */
static int encode(const struct tokenizer *t, const char *lead_and_text, size_t n_lead, size_t n, int most,
                  stoker_token *out)
{
    struct token_list l = {0};
    struct error err = {0};
    int first = -1, found = 0;
    if (tokenizer_encode(t, lead_and_text, n_lead + n, 0, 0, &l, &err) == 0) {
        size_t bytes = bytes_of(t, l.id, l.n);
        first = bytes >= n ? behind(t, &l, bytes - n) : -1;
    }
    if (first >= 0)
        found = (int)l.n - first;
    for (int i = 0; i < found && i < most; i++)
        out[i] = l.id[first + i];
    token_list_free(&l);
    return found;
}

/* The bytes of tokens, at most GUESSED. -1: there are more, or a token has none. */
static int text_of(const struct tokenizer *t, const stoker_token *id, int n, char *out)
{
    size_t sum = 0, bytes;
    for (int i = 0; i < n; i++, sum += bytes) {
        const char *piece = tokenizer_piece(t, id[i], 0, &bytes);
        if (bytes == 0 || bytes > GUESSED - sum)
            return -1;
        memcpy(out + sum, piece, bytes);
    }
    return (int)sum;
}

int forced_propose(const struct constraint_state *s, const struct tokenizer *t, const stoker_token *guess, int n_guess,
                   int most, stoker_token *out, uint64_t *work)
{
    char behind[GUESSED];
    const int n_behind = text_of(t, guess, n_guess, behind);
    char text[1 + MOST_BYTES] = "\n";
    size_t longest = (size_t)most * PIECE + BEHIND;
    int32_t token;
    uint64_t bound = *work;
    int found = 0;
    if (n_behind < 0) {
        *work = 0;
        return 0;
    }
    size_t n = constraint_certain(s, behind, (size_t)n_behind, text + 1, longest, &token, work);
    if (n > 0 && *work < bound) {
        if (!(found = encode(t, text + 1, 0, n, most, out)))
            found = encode(t, text, 1, n, most, out);
        *work += 2 * n * WORK_OF_BYTE;
    }
    if (n == longest && found > 0) /* the last one may be cut off */
        found--;
    if (token >= 0 && found < most && (n == 0 || found > 0))
        out[found++] = token;
    return found < most ? found : most;
}
