/* The table of pre-tokenizers: which names share which rules. See pretokenize.h.
 *
 * R1 ... R36 are numbered as in tokenizer.md 4. They are written for PCRE2 and say the same as there, with these habits:
 *   \s   is written out, because PCRE2's own differs between releases
 *   A&&B (sets of R30) becomes the complement of the categories that are not wanted: Lu Ll Lt Lm Lo M N P S Z C are all there are
 *   *+   possessive where greedy cannot be taken back anyway, so that a long run needs no stack
 * Rules that PCRE2 would match in quadratic time are cut by our own code: enum cut. */
#include "base/error.h"
#include "text/tokenizer/pretokenize.h"

#include <stdio.h>
#include <string.h>

#define SPACE  "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}"
#define RUN    "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"
#define LINES  "[" SPACE "]*[\\r\\n]+|"
#define SUFFIX "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define ANY    "[^\\r\\n\\p{L}\\p{N}]?"
#define SIGNS  " ?[^" SPACE "\\p{L}\\p{N}]+"

/* Words of GPT-4 and after, by the numbers they allow; R6 is R5 with the runs of spaces cut again. */
#define GPT4(NUMBERS) SUFFIX "|" ANY "\\p{L}+|" NUMBERS "|" SIGNS "[\\r\\n]*|" LINES RUN

/* Words that also end where a lower-case letter is followed by an upper-case one. */
#define UPPER                    "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER                    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(UP, LOW, SUFFIXES) ANY UP "*" LOW "+" SUFFIXES "|" ANY UP "+" LOW "*" SUFFIXES "|"
#define HAN                      "\\p{sc:Han}" /* the script; \p{Han} would mean the extensions, too */
#define UPPER_HAN                "[^\\p{Ll}\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}" HAN "]"
#define LOWER_HAN                "[^\\p{Lu}\\p{Lt}\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}" HAN "]"

#define R8_LETTERS                                                                                                     \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}"                    \
    "\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}"     \
    "\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"         \
    "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}"                  \
    "\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}"                  \
    "\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}"          \
    "\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}"         \
    "\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}"          \
    "\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}"                    \
    "\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}"          \
    "\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}"                   \
    "\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}"                  \
    "\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}"            \
    "\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"

#define R34_LETTERS                                                                                                    \
    "\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{8C48}-\\x{FAFF}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}\\x{FF65}-"        \
    "\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{E40}-\\x{E7F}\\x{E80}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-"   \
    "\\x{AA7F}\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}"

enum {
    R1 = 1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    R16,
    R17,
    R18,
    R19,
    R20,
    R21,
    R22,
    R23,
    R24,
    R25,
    R26,
    R27,
    R28,
    R29,
    R30,
    R31,
    R32,
    R33,
    R34,
    R35,
    R36,
    THREES /* the second half of @digits3; the first is R3 */
};

static const struct rule rules[] = {
    [R1] = {"[\\p{P}$+<=>^~|]+"},
    [R2] = {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|" SIGNS "|" RUN, .words = 1},
    [R3] = {"\\p{N}+"},
    [R4] = {"[0-9][0-9][0-9]"},
    [R5] = {GPT4("\\p{N}{1,3}"), .words = 1},
    [R6] = {.cut = CUT_POWERS},
    [R7] = {"[\\r\\n]"},
    [R8] = {"[" SPACE "]?[" R8_LETTERS "]+"},
    [R9] = {"[" SPACE "]?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+"},
    [R10] = {.cut = CUT_TRAILING},
    [R11] = {"[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"},
    [R12] = {"[" SPACE "]?\\p{L}+"},
    [R13] = {"[" SPACE "]?\\p{P}+"},
    [R14] = {"\\p{N}"},
    [R15] = {"\\p{N}{1,3}"},
    [R16] = {"[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"},
    [R17] = {"[!\\x22#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
             " ?[\\p{P}\\p{S}]+[\\r\\n]*|" LINES RUN,
             .words = 1},
    [R18] = {"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|"
             "[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-"
             "\\x{303F}\\x{FE30}-\\x{FE4F}]+|"
             "[\\x{3105}-\\x{312F}]+|[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"},
    [R19] = {CASED(UPPER, LOWER, SUFFIX "?") "\\p{N}|" SIGNS "[\\r\\n/]*|" LINES RUN, .words = 1},
    [R20] = {"[\\p{P}$+<=>^~|`]+"},
    [R21] = {GPT4("\\p{N}"), .words = 1},
    [R22] = {SUFFIX "|" ANY "[\\p{L}\\p{M}]+|\\p{N}| ?[^" SPACE "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINES RUN, .words = 1},
    [R23] = {" ?[^(" SPACE "|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+"},
    [R24] = {CASED(UPPER, LOWER, "") "\\p{N}|" SIGNS "[\\r\\n/]*|" LINES RUN, .words = 1},
    [R25] = {CASED(UPPER, LOWER, SUFFIX "?") "\\p{N}{1,3}|" SIGNS "[\\r\\n/]*|" LINES RUN, .words = 1},
    [R26] = {"<sentinel:[0-9]+>"},
    [R27] = {"IMGIMG[A-I]{1,4}Z"},
    [R28] = {"[\\t\\n]|    |  "},
    [R29] = {"[\\p{P}!-/:-@\\[-`{-~]"},
    [R30] = {"[" HAN "]+|" CASED(UPPER_HAN, LOWER_HAN, SUFFIX "?") "\\p{N}{1,3}|" SIGNS "[\\r\\n]*|" LINES RUN,
             .words = 1},
    [R31] = {"\\p{Nd}+", .cut = CUT_THREES},
    [R32] = {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^" SPACE "\\p{L}\\p{N}]++[\\r\\n]*|"
             "[" SPACE "]*[\\r\\n]|" RUN,
             .words = 1},
    [R33] = {SUFFIX "|" ANY "\\p{L}+|\\p{N}| ?[^" SPACE "\\p{L}\\p{N}\\r\\n]+|" LINES RUN, .words = 1},
    [R34] = {"[" R34_LETTERS "]+"},
    [R35] = {SUFFIX "|" ANY "(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++|\\p{N}|" SIGNS "[\\r\\n/]?|[" SPACE
                    "]*[\\r\\n]|" RUN},
    [R36] = {.cut = CUT_LINES},
    [THREES] = {"\\p{N}+", .cut = CUT_THREES},
};

static const struct pretokenizer table[] = {
    {"default", {R1, R2, R3, R4}},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano laguna",
     {R5},
     .ignore_merges = 1,
     .add_bos = 1},
    {"dbrx smaug-bpe", {R5}},
    {"glm4 glm5 chatglm-bpe", {R5}, .no_bos = 1},
    {"jais-2", {R5, R6}},
    {"deepseek-llm", {R7, R8, R9, R10, R11, R3}},
    {"deepseek-coder", {R7, R12, R13, R11, R14}},
    {"deepseek-v3 hunyuan-dense joyai-llm", {R15, R16, R17}},
    {"youtu", {R18, R19}, .ignore_merges = 1},
    {"falcon", {R20, R2, R4}},
    {"starcoder refact command-r cohere2_moe smollm codeshell exaone minerva-7b", {R14, R2}},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert mpt olmo jais trillion "
     "granite-docling exaone4",
     {R2}},
    {"jina-v1-en jina-v2-code roberta-bpe", {R2}, .add_sep = 1},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 openpangu megrez stablelm2 hunyuan solar-open grok-2", {R21}},
    {"qwen35", {R22}},
    {"bloom poro-chat gpt3-finnish", {R23}},
    {"viking", {R23, R14}},
    {"tekken", {R24}, .ignore_merges = 1, .add_bos = 1},
    {"gpt-4o llama4 kanana2 minimax-m2", {R25}},
    {"tiny_aya cohere2moe", {R3, THREES, R25}},
    {"chameleon", {R26, R27, R28, R14, R29, R2}, .add_bos = 1},
    {"kimi-k2", {R30}},
    {"superbpe", {R3, R31}},
    {"bailingmoe bailingmoe2 llada-moe", {R32}},
    {"seed-coder", {R33}},
    {"afmoe", {R3, THREES, R34, R17}},
    {"exaone-moe", {R35}},
    {"gemma4", {R36}, .add_bos = 1},
};

enum { N_TABLE = sizeof table / sizeof *table };

const struct rule *pretokenizer_rule(const struct pretokenizer *row, int stage)
{
    return stage < PRETOKENIZER_STAGES && row->stage[stage] ? &rules[row->stage[stage]] : NULL;
}

static int names_hold(const char *names, const char *name, size_t length)
{
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        if (n == length && memcmp(p, name, n) == 0)
            return 1;
        p += n + (p[n] == ' ');
    }
    return 0;
}

const struct pretokenizer *pretokenizer_find(const char *name, size_t length, struct error *err)
{
    char known[340] = ""; /* the first name of each row: all would outgrow the sentence */
    for (size_t i = 0, at = 0; i < N_TABLE; i++) {
        const char *names = table[i].names;
        if (names_hold(names, name, length))
            return &table[i];
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%.*s", i ? ", " : "", (int)strcspn(names, " "), names);
        if (at >= sizeof known)
            at = sizeof known - 1;
    }
    error_set(err, ERR_UNSUPPORTED,
              "pre-tokenizer \"%.*s\" (tokenizer.ggml.pre) is not known; known are %s and other names of their rules",
              (int)(length < 40 ? length : 40), name, known);
    return NULL;
}
