/* What the files of this layer share: the loaded vocabulary, and the steps of encoding.
 *
 *   vocab.c       tokens, types, pieces, lookup            roles.c       special ids, end of generation
 *   special.c     cutting special tokens out of a text     merges.c      merges of BPE
 *   bpe.c spm.c   words to ids                             workspace.c   memory of one call
 *   wordpiece.c unigram.c   the same of embedding models   prefixes.c    which tokens begin at a place
 *   tokenizer.c   puts them together
 *
 * All of it lies in one growing arena and is read-only after loading. */
#ifndef TEXT_TOKENIZER_VOCAB_H
#define TEXT_TOKENIZER_VOCAB_H

#include "base/arena.h"
#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/merge.h"
#include "text/tokenizer/prefixes.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/words.h"

#include <stdatomic.h>
#include <string.h>

struct error;
struct gguf;

/* Positions in a text are 32 bits, and escaping or repairing a text makes it up to three times as long. */
enum { TEXT_MAX = 1 << 28 };

enum vocab_model { MODEL_BPE, MODEL_SPM, MODEL_GEMMA4, MODEL_UGM, MODEL_WPM };

/* Texts one behind another: text i is bytes[start[i] .. start[i + 1]). */
struct texts {
    char *bytes;
    uint32_t *start; /* [n + 1] */
};

/* Indexes of texts by their bytes: open addressing, linear probing, at most two thirds full. */
struct lookup {
    struct lookup_slot {
        uint32_t tag;   /* upper half of the hash */
        uint32_t entry; /* index + 1, 0: empty */
    } * slot;
    size_t mask;
};

/* A merge of BPE in a table hashed by (left, right), at most two thirds full. Ids >= n_vocab are texts that are no tokens. */
struct merge_pair {
    int32_t left, right, joined;
    uint32_t rank_1; /* rank + 1, 0: empty */
};

/* Aho-Corasick over the texts of special tokens: see special.c. */
struct special {
    uint32_t root[256]; /* first byte: node, 0 none */
    struct special_node {
        uint32_t child, sibling, fail; /* 0: none */
        int32_t longest;               /* longest candidate that ends here: index, -1 none */
        uint8_t byte;
    } * node; /* node[0]: the root */
    struct candidate {
        int32_t id;
        uint32_t length;
        int32_t shorter; /* longest candidate that is a proper suffix of this one: index, -1 none */
        uint8_t swallow; /* white space behind it belongs to it */
    } * candidate;       /* length descending, id ascending: the order of the sequential procedure */
    uint32_t n_node, n_candidate;
};

struct tokenizer {
    struct arena arena;
    enum vocab_model model;
    int n_vocab;

    struct texts text, piece; /* as stored in the file; as bytes of output */
    size_t longest_text, longest_piece;
    uint8_t *type;   /* [n_vocab] enum token_type */
    uint8_t *hidden; /* [n_vocab] no part of plain output */
    int has_types;
    uint8_t *sampleable; /* [n_vocab] */
    struct lookup lookup;

    int32_t bos, eos, unknown, sep; /* -1: none */
    int32_t end[64];                /* ends of generation */
    int n_end;
    int add_bos, add_eos, add_sep, add_space_prefix;

    struct special special[2]; /* [parse_special] */

    /* models gpt2 and gemma4 */
    const struct pretokenizer *pre;
    struct splitter *splitter;
    struct merge_pair *merge; /* [merge_mask + 1] */
    size_t merge_mask;
    struct texts extra; /* gemma4: texts of merges that are no tokens, where there are any */
    struct lookup extra_lookup;
    int32_t byte_symbol[256]; /* gpt2: symbol of a byte */
    uint64_t joined
        [256]
        [4]; /* gpt2: bits by two bytes: some merge has the one at the end of its left text and the other behind it */

    /* the token of a byte that nothing else covers; -1: unknown takes its place, or nothing */
    int32_t byte_token[256];
    float *score;    /* llama, t5: [n_vocab] */
    int words_apart; /* llama, gemma4, t5: no token goes on behind the end of a word (see spm.c) */

    struct prefixes prefixes; /* bert, t5 */
    struct charsmap charsmap; /* t5 */
    double unknown_score;
    int merge_spaces;

    struct workspace *workspace; /* [WORKSPACES] */
};

/* Memory of one caller of tokenizer_encode(). A tokenizer has a few with tables of words; who finds them taken does without. */
enum { WORKSPACES = 2 };
struct workspace {
    atomic_int taken;
    int keeps; /* 1: memory of the last caller */
    struct merger merger;
    struct splitting splitting;
    char *buffer;
    size_t buffer_size;
    struct word *words; /* [WORDS] or NULL */
};

int workspaces_load(struct tokenizer *t, struct error *err);
/* One that nobody else uses, or `own`, zeroed by the caller. */
struct workspace *workspace_take(const struct tokenizer *t, struct workspace *own);
void workspace_give(struct workspace *w, struct workspace *own);
void workspaces_free(struct tokenizer *t);

/* At least size bytes, or NULL; contents are lost when it grows. */
char *workspace_buffer(struct workspace *w, size_t size);

/* Append the ids of a word: those known from before, or what `encode` makes of it. */
typedef int word_encoder(const struct tokenizer *t, struct workspace *w, const char *word, size_t n,
                         struct token_list *out);
int workspace_word(const struct tokenizer *t, struct workspace *w, word_encoder *encode, const char *word, size_t n,
                   struct token_list *out);

/* vocab.c */
int vocab_load(struct tokenizer *t, const struct gguf *g,
               struct error *err);                                 /* texts, types, lookup; the model is known */
int vocab_pieces(struct tokenizer *t, struct error *err);          /* when types are final */
int32_t vocab_byte_token(const struct tokenizer *t, uint8_t byte); /* id of the text <0xXX>, -1 none */

size_t lookup_slots(size_t n); /* slots for n texts, a power of two; the slots are zeroed by the caller */
/* The last index put under a text, -1 none. */
int32_t lookup_find(const struct lookup *l, const struct texts *x, const char *text, size_t n);
void lookup_put(struct lookup *l, const struct texts *x, int32_t index);

/* roles.c */
int roles_load(struct tokenizer *t, const struct gguf *g, struct error *err);

/* special.c */
int special_load(struct tokenizer *t, const struct gguf *g, struct error *err);
/* A special token found in a text: [start, end), end includes white space that it swallowed. */
struct special_cut {
    size_t start, end;
    int32_t id;
};
/* Who wrote each byte of a text, and up to whom each token reaches: it is not cut out of what somebody beyond has written. */
struct special_marks {
    const uint8_t *mark, *reach; /* [length], [n_vocab] */
};
/* All cuts in order of their start; *out is to be freed. marks: NULL: everybody may write everything. -1: no memory. */
int special_cuts(const struct special *s, const char *text, size_t length, const struct special_marks *marks,
                 struct special_cut **out, size_t *n);

/* merges.c */
int merges_load(struct tokenizer *t, const struct gguf *g, struct error *err);
merge_rank merges_rank; /* context: the tokenizer */
/* gemma4: the id of a text as merges know it, -1 none. */
int32_t merges_symbol(const struct tokenizer *t, const char *text, size_t n);

/* spelling.c */
/* The two texts of a merge, as they are stored: across which bytes words may be joined. */
void bpe_note_merge(struct tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right);
size_t bpe_spell(uint8_t byte, char *out); /* a byte in the alphabet of stored texts: 1 or 2 bytes of UTF-8 */
/* Bytes of a stored text: the byte alphabet undone; other code points stay as they are. Returns how many. */
size_t bpe_piece(const char *text, size_t n, char *out);
/* The same of llama and gemma4: a space is stored as U+2581. */
#define SPM_SPACE "\xE2\x96\x81"
static inline int spm_is_space(const char *text, size_t n) { return n >= 3 && memcmp(text, SPM_SPACE, 3) == 0; }
size_t spm_piece(const char *text, size_t n, char *out);

/* bpe.c */
int bpe_load(struct tokenizer *t, const struct gguf *g, struct error *err);
int bpe_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out);

/* spm.c: models llama and gemma4 */
int spm_load(struct tokenizer *t, const struct gguf *g, struct error *err);
int spm_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out);
int spm_load_scores(struct tokenizer *t, const struct gguf *g, struct error *err);
int spm_words_apart(const struct tokenizer *t);
/* Length of a character by its first byte; what is no first byte stands alone. */
size_t spm_char_length(const char *text, size_t n);
/* End of the first word of a text: the next U+2581 that follows another character. */
size_t spm_word_end(const char *text, size_t n);

/* wordpiece.c, unigram.c: texts are well-formed UTF-8 */
int wordpiece_load(struct tokenizer *t, struct error *err);
int wordpiece_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n,
                     struct token_list *out);
int unigram_load(struct tokenizer *t, const struct gguf *g, struct error *err);
int unigram_encode(const struct tokenizer *t, struct workspace *w, const char *text, size_t n, struct token_list *out);

#endif
