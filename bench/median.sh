# Medians and how far they can be believed, for the awk programs of scripts that source this: awk "$median_awk"' ... '
#
#     median(a, n)    sorts a[1 .. n] and returns its median
#     place(n)        of n values in order the number of that one above which, and below whose counterpart, the median is 95 times in 100;
#                     0: of none
# shellcheck disable=SC2034 # of those who source it
median_awk='
    function median(a, n,   i, j, t) {
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
                t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
            }
        return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    function place(n,   k, p, sum) {
        p = 0.5 ^ n
        for (k = 0; 2 * (sum + p) <= 0.05; k++) {
            sum += p
            p *= (n - k) / (k + 1)
        }
        return k
    }
'
