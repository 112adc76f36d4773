/* Tokenizers: text to ids and back, by the vocabulary in a GGUF file.
 *
 * Byte-level BPE with every known pre-tokenizer, SentencePiece BPE, and gemma4's kind of it; WordPiece (bert) and Unigram (t5), which
 * normalise, so that a text does not come back byte for byte. Texts are bytes with a length: NULs and invalid UTF-8 are legal input.
 * Threads may share a tokenizer: what it remembers of earlier texts makes it faster, nothing else. Definition: tokenizer.md of the
 * specification. */
#ifndef TEXT_TOKENIZER_TOKENIZER_H
#define TEXT_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct gguf;
struct tokenizer;

enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER, TOKEN_UNUSED, TOKEN_BYTE };

/* pre: overrides tokenizer.ggml.pre, or NULL. The file may be closed afterwards: what is needed was copied. ERR_UNSUPPORTED:
 * a tokenizer that does not exist here yet; ERR_FORMAT: a vocabulary that makes no sense. */
int tokenizer_create(struct tokenizer **out, const struct gguf *g, const char *pre, struct error *err);
void tokenizer_destroy(struct tokenizer *t); /* t may be NULL */

size_t tokenizer_bytes(const struct tokenizer *t); /* memory held, in bytes, for the plan */
int tokenizer_n_vocab(const struct tokenizer *t);  /* ids are from 0 to this - 1 */

/* Ids in the requests' memory, owned by whoever holds the list: token_list_free(). Zeroed: empty. */
struct token_list {
    int32_t *id;
    size_t n, cap;
};

/* Append the ids of length bytes of text to *out. add_special 1: what the vocabulary wants around it; parse_special 1: texts of control
 * tokens become those tokens. Scratch is of the requests' memory (base/reqmem.h), and freed again. -1: ERR_MEMORY or ERR_INPUT (a text
 * above 256 MiB); *out may hold a part. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t length, int add_special, int parse_special,
                     struct token_list *out, struct error *err);
/* The same without bos and eos, with parse_special, for a text of several authors: mark [length] is the origin of each byte (text_origin
 * of jinja/jinja.h), reach [n_vocab] the greatest origin that may write a special token. In bytes of a greater origin its text is ordinary
 * text, and ordinary text becomes no control token by merges. */
int tokenizer_encode_marked(const struct tokenizer *t, const char *text, size_t length, const uint8_t *mark,
                            const uint8_t *reach, struct token_list *out, struct error *err);
/* Two texts for a model that judges the second by the first: [CLS] first [SEP] second [SEP] of WordPiece, <s> first </s></s> second </s> of
 * Unigram; what the vocabulary lacks is left out. In neither text a control token's text is anything but text. The first, with all that
 * stands before the second, does not depend on the second. ERR_UNSUPPORTED: another kind; else as tokenizer_encode(). */
int tokenizer_encode_first(const struct tokenizer *t, const char *first, size_t n, struct token_list *out,
                           struct error *err);
int tokenizer_encode_second(const struct tokenizer *t, const char *second, size_t n, struct token_list *out,
                            struct error *err);
int token_list_add(struct token_list *l, int32_t id); /* id < 0: adds nothing. -1: no memory */
void token_list_free(struct token_list *l);           /* the list is empty then, and can be used again */

/* The *length bytes of a token, not terminated; special 0: plain output, in which control tokens are empty, also those which the file
 * calls so and their family makes user-defined. An id that there is not: empty. Lives as long as the tokenizer. */
const char *tokenizer_piece(const struct tokenizer *t, int32_t id, int special, size_t *length);
enum token_type tokenizer_type(const struct tokenizer *t, int32_t id); /* an id that there is not: TOKEN_UNUSED */
/* The text of a token as the file stores it, which tokenizer_find() takes: not the bytes it stands for. Lives as long as the
 * tokenizer; an id that there is not: empty. */
const char *tokenizer_text(const struct tokenizer *t, int32_t id, size_t *length);
int tokenizer_is_hidden(const struct tokenizer *t, int32_t id); /* 1: no part of plain output, whatever its type */

/* 1: ordinary text becomes this token where the vocabulary has no piece for it: the unknown one of WordPiece and Unigram. */
int tokenizer_is_filler(const struct tokenizer *t, int32_t id);

int tokenizer_is_end(const struct tokenizer *t, int32_t id); /* 1: it ends the generation */
int32_t tokenizer_bos(const struct tokenizer *t);            /* -1: none */
int32_t tokenizer_eos(const struct tokenizer *t);            /* -1: none */
int tokenizer_adds_bos(const struct tokenizer *t);           /* 1: add_special puts bos in front */
int32_t tokenizer_separator(const struct tokenizer *t);      /* wanted between the two texts of a pair; -1: none */
/* The id of a token's stored text; -1: none. */
int32_t tokenizer_find(const struct tokenizer *t, const char *text, size_t length);

/* [n_vocab] 1: may be sampled; 0: unused or padding, never sampled. Lives as long as the tokenizer. */
const uint8_t *tokenizer_sampleable(const struct tokenizer *t);

/* Streaming detokenizer: ids in, whole UTF-8 characters out. */
struct detok { /* nothing to free */
    const struct tokenizer *tokenizer;
    char pending[4];
    int n_pending;
    int first;   /* nothing was emitted yet: SPM drops one leading space */
    int special; /* show control tokens */
};
/* The tokenizer must outlive d. special 1: control tokens are shown. continues 1: the text goes on behind other text, so that no leading
 * space is dropped. */
void detok_begin(struct detok *d, const struct tokenizer *t, int special, int continues);
/* Writes at most detok_most(t) bytes of valid UTF-8, not terminated, to out; returns how many. Cannot fail. */
size_t detok_next(struct detok *d, int32_t id, char *out);
size_t detok_end(struct detok *d, char *out); /* likewise: U+FFFD where a character was never completed */
size_t detok_most(const struct tokenizer *t); /* bytes */

#endif
