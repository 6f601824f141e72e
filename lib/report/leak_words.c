// SPDX-License-Identifier: MIT
/* leak_words.c - what was judged of a stack, in words. */
#include <math.h>
#include <stdio.h>

#include "report/format.h"
#include "report/leaks.h"
#include "util/plural.h"

#define VALUE_SIZE 32

const char *leaks_verdict_name(enum leak_verdict verdict)
{
	static const char *const names[LEAK_VERDICTS] = {
		[LEAK_LOST] = "lost",
		[LEAK_GROWS] = "grows",
		[LEAK_UNSURE] = "unsure",
		[LEAK_STOPPED] = "stopped",
		[LEAK_STEADY] = "steady",
		[LEAK_FREED] = "freed",
		[LEAK_YOUNG] = "young",
		[LEAK_POSSIBLY_LOST] = "possibly lost",
		[LEAK_REACHABLE] = "reachable",
	};

	return names[verdict];
}

const char *leaks_kind_name(enum leak_kind kind)
{
	static const char *const names[LEAK_KINDS] = {
		[LEAK_DEFINITE] = "definite",
		[LEAK_INDIRECT] = "indirect",
		[LEAK_POSSIBLE] = "possible",
		[LEAK_STILL_REACHABLE] = "reachable",
	};

	return names[kind];
}

void leaks_duration(double seconds, char *out, size_t size)
{
	unsigned long long whole = seconds < 1e12 ? (unsigned long long)seconds : 0;
	unsigned long long hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;

	if (seconds > 0 && seconds < 1)
		snprintf(out, size, "%.0fms", 1000 * seconds);
	else if (hours)
		snprintf(out, size, minutes ? "%lluh%llum" : "%lluh", hours, minutes);
	else if (minutes)
		snprintf(out, size, rest ? "%llum%llus" : "%llum", minutes, rest);
	else
		snprintf(out, size, "%llus", whole);
}

static void size_text(double bytes, char *out, size_t size)
{
	char text[FORMAT_VALUE_SIZE];

	format_value(text, sizeof(text), fabs(bytes) < 0x1p62 ? llround(bytes) : INT64_MAX, "bytes",
		"auto");
	snprintf(out, size, "%.*s", VALUE_SIZE - 1, text);
}

/* "1.20MB/min ± 0.20MB", of bytes a second. */
static void growth_text(const struct leak_judgement *j, char *out, size_t size)
{
	char growth[VALUE_SIZE], deviation[VALUE_SIZE];

	size_text(60 * j->growth, growth, sizeof(growth));
	size_text(60 * j->deviation, deviation, sizeof(deviation));
	snprintf(out, size, "%s/min ± %s", growth, deviation);
}

/* What became of what was not freed soon. */
static void fate_text(const struct leaks *l, const struct leak_judgement *j, char *out, size_t size)
{
	char older[VALUE_SIZE];

	leaks_duration(l->older, older, sizeof(older));
	if (isnan(j->later))
		*out = '\0';
	else if (j->later > 0)
		snprintf(out, size, ", %.2g%% of what gets %s old is freed later", 100 * j->later,
			older);
	else
		snprintf(out, size, ", nothing of it is freed after %s", older);
}

/* Of what a scan has found, the parts that there are. */
static void scan_text(const struct leak_stack *s, char *out, size_t size)
{
	static const char *const words[LEAK_KINDS] = {
		[LEAK_DEFINITE] = "nothing leads to",
		[LEAK_INDIRECT] = "only what is lost itself leads to",
		[LEAK_POSSIBLE] = "only pointers into the middle lead to",
		[LEAK_STILL_REACHABLE] = "still reachable:",
	};
	size_t used = 0;

	*out = '\0';
	for (unsigned i = 0; i < LEAK_KINDS && used < size; i++) {
		char bytes[VALUE_SIZE];

		if (!(s->kinds[i].bytes > 0))
			continue;
		size_text(s->kinds[i].bytes, bytes, sizeof(bytes));
		used += (size_t)snprintf(out + used, size - used, "%s%s %s in %.0f block%s",
			used ? "; " : "", words[i], bytes, s->kinds[i].objects,
			plural(s->kinds[i].objects));
	}
}

void leaks_explain(const struct leaks *l, const struct leak_stack *s, char *out, size_t size)
{
	const struct leak_judgement *j = &s->judgement;
	char growth[2 * VALUE_SIZE + 16], fate[128], since[VALUE_SIZE], older[VALUE_SIZE];

	growth_text(j, growth, sizeof(growth));
	fate_text(l, j, fate, sizeof(fate));
	leaks_duration(j->since, since, sizeof(since));
	leaks_duration(l->older, older, sizeof(older));
	switch (j->verdict) {
	case LEAK_LOST:
	case LEAK_POSSIBLY_LOST:
	case LEAK_REACHABLE:
		scan_text(s, out, size);
		break;
	case LEAK_GROWS:
		snprintf(out, size, "grows %s%s", growth, fate);
		break;
	case LEAK_UNSURE:
		if (isnan(j->growth))
			snprintf(out, size,
				"one moment does not tell whether it grows: add "
				"others, or record with --ages");
		else
			snprintf(out, size,
				"%s, %s%s: look longer, or sample more (--sample-bytes)",
				j->growth > j->deviation ? "may grow" : "too few samples to tell",
				growth, fate);
		break;
	case LEAK_STOPPED:
		snprintf(out, size, "a cache, or the like: it stopped growing %s ago%s", since,
			fate);
		break;
	case LEAK_STEADY:
		if (l->n_moments > 1)
			snprintf(out, size, "there all the time, and does not grow (%s)%s", growth,
				fate);
		else
			snprintf(out, size, "kept from the start: nothing was added for %s%s",
				since, fate);
		break;
	case LEAK_FREED:
		snprintf(out, size, "freed later, or in batches%s", fate);
		break;
	case LEAK_YOUNG:
		snprintf(out, size, "nothing of it is older than %s", older);
		break;
	case LEAK_VERDICTS:
		*out = '\0';
		break;
	}
}
