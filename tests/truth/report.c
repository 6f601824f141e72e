// SPDX-License-Identifier: MIT
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profd/abi.h"
#include "util/grow.h"
#include "util/hash.h"

/* Distinct disagreements of one program that are printed; all where ours is wrong. */
#define MOST_SHOWN 12

static const char *end_name(unsigned end, char *buffer, size_t size)
{
	static const char *const names[] = {
		[PROFD_END_COMPLETE] = "complete",
		[PROFD_END_NO_USER] = "no user stack",
		[PROFD_END_UNREADABLE] = "stack not readable",
		[PROFD_END_FRAME_POINTER] = "frame pointer",
		[PROFD_END_LIMIT] = "too many frames",
		[PROFD_END_UNMAPPED] = "no code there",
		[PROFD_END_RULE] = "rule not supported",
		[PROFD_END_IMPLAUSIBLE] = "stack does not fall",
		[PROFD_END_NOT_LOADED] = "tables not loaded",
		[PROFD_END_CHANGED] = "code replaced",
	};
	_Static_assert(sizeof(names) / sizeof(*names) == PROFD_END_COUNT, "each has a name");

	if (end < sizeof(names) / sizeof(*names))
		return names[end];
	snprintf(buffer, size, "reason %u", end);
	return buffer;
}

/* ---- collecting -------------------------------------------------------------------------------
 */

static struct program *program_of(struct report *report, const char *name)
{
	for (size_t i = 0; i < report->n_programs; i++)
		if (!strcmp(report->programs[i].name, name))
			return &report->programs[i];
	if (grow(report->programs, report->n_programs, report->programs_capacity, 1))
		return NULL;

	struct program *p = &report->programs[report->n_programs];

	*p = (struct program){.name = strdup(name)};
	if (!p->name)
		return NULL;
	report->n_programs++;
	return p;
}

static void print_place(FILE *out, const struct space *space, uint64_t address)
{
	const struct mapping *m = space_find(space, address);

	if (m && m->file)
		fprintf(out, "%s+0x%" PRIx64, m->name, address - m->bias);
	else if (m)
		fprintf(out, "%s 0x%" PRIx64, *m->name ? m->name : "[anonymous]", address);
	else
		fprintf(out, "0x%" PRIx64, address);
}

static void print_stack(FILE *out, const struct space *space, const char *whose,
	const uint64_t *frames, size_t count, size_t from)
{
	fprintf(out, "    %-6s", whose);
	for (size_t i = from; i < count; i++) {
		fputs(i > from ? " < " : "", out);
		print_place(out, space, frames[i]);
		fputs(can_be_frame(space, frames, i) ? "" : "!", out);
	}
}

/* Both stacks from the last frame that they have in common; ! stands where no call leads back. */
static char *both_stacks(const struct space *space, const struct capture_record *sample,
	const uint64_t *frames, const struct walk *libdw, size_t equal)
{
	static const char *const ends[] = {
		[WALK_ROOT] = "root",
		[WALK_DUMP] = "end of the dump",
		[WALK_FAILED] = "no caller",
		[WALK_LIMIT] = "too many frames",
	};
	size_t size, from = equal ? equal - 1 : 0;
	char *text = NULL, buffer[32];
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "frame %zu of tid %u at %" PRIu64 " ns\n", from, sample->sample.tid,
		sample->sample.time);
	print_stack(out, space, "ours", frames, sample->sample.n_user, from);
	fprintf(out, " (%s)\n", end_name(sample->sample.end, buffer, sizeof(buffer)));
	print_stack(out, space, "libdw", libdw->frames, libdw->count, from);
	fprintf(out, " (%s)\n", ends[libdw->end]);
	return fclose(out) ? NULL : text;
}

/* A module and an address in it, so that processes agree. */
static uint64_t hash_place(
	uint64_t hash, const struct space *space, const uint64_t *frames, size_t count, size_t i)
{
	uint64_t address = i < count ? frames[i] : 0;
	const struct mapping *m = space_find(space, address);

	if (m && m->file) {
		hash = hash_more(hash, m->name, strlen(m->name));
		address -= m->bias;
	} else if (m) {
		address = m->end - m->start; /* generated code: no address comes twice */
	}
	return hash_more(hash, &address, sizeof(address));
}

int report_add(struct report *report, const struct space *space,
	const struct capture_record *sample, const uint64_t *frames, const struct walk *libdw,
	struct judgement judgement)
{
	struct program *p = program_of(report, space_program(space));
	size_t n = sample->sample.n_user, at = judgement.equal;
	struct disagreement *d;
	uint64_t key;

	if (!p)
		return -ENOMEM;
	p->samples++;
	p->complete += sample->sample.end == PROFD_END_COMPLETE;
	p->verdicts[judgement.verdict]++;
	p->ends[sample->sample.end]++;
	p->ways[sample->sample.way]++;
	if (judgement.verdict == EQUAL || judgement.verdict == EQUAL_IN_DUMP)
		return 0;

	key = hash_more(0, p->name, strlen(p->name));
	key = hash_more(key, &judgement.verdict, sizeof(judgement.verdict));
	if (at)
		key = hash_place(key, space, frames, n, at - 1);
	key = hash_place(key, space, frames, n, at);
	key = hash_place(key, space, libdw->frames, libdw->count, at);
	for (size_t i = 0; i < report->n_disagreements; i++)
		if (report->disagreements[i].key == key) {
			report->disagreements[i].count++;
			return 0;
		}
	if (grow(report->disagreements, report->n_disagreements, report->disagreements_capacity, 1))
		return -ENOMEM;
	d = &report->disagreements[report->n_disagreements];
	*d = (struct disagreement){
		.key = key,
		.program = (size_t)(p - report->programs),
		.verdict = judgement.verdict,
		.count = 1,
		.text = both_stacks(space, sample, frames, libdw, at),
	};
	if (!d->text)
		return -ENOMEM;
	report->n_disagreements++;
	return 0;
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->n_programs; i++)
		free(report->programs[i].name);
	for (size_t i = 0; i < report->n_disagreements; i++)
		free(report->disagreements[i].text);
	free(report->programs);
	free(report->disagreements);
	*report = (struct report){0};
}

/* ---- printing ---------------------------------------------------------------------------------
 */

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

void report_table(const struct report *report, FILE *out)
{
	char buffer[32];

	fprintf(out, "%-16s %8s %9s", "program", "samples", "complete");
	for (int v = 0; v < VERDICTS; v++)
		fprintf(out, "  %s", verdict_name(v));
	fputs("\n", out);
	for (size_t i = 0; i < report->n_programs; i++) {
		const struct program *p = &report->programs[i];

		fprintf(out, "%-16.16s %8" PRIu64 " %8.2f%%", p->name, p->samples,
			percent(p->complete, p->samples));
		for (int v = 0; v < VERDICTS; v++)
			fprintf(out, "  %*" PRIu64, (int)strlen(verdict_name(v)), p->verdicts[v]);
		fputs("\n", out);
	}
	for (size_t i = 0; i < report->n_programs; i++) {
		const struct program *p = &report->programs[i];

		fprintf(out, "%s: ends:", p->name);
		for (unsigned e = 0; e < REPORT_ENDS; e++)
			if (p->ends[e])
				fprintf(out, " %s %" PRIu64 ",",
					end_name(e, buffer, sizeof(buffer)), p->ends[e]);
		static const char *const ways[PROFD_WAY_COUNT] = {
			[PROFD_WAY_FRAME_POINTER] = "frame pointer",
			[PROFD_WAY_TABLE] = "tables",
			[PROFD_WAY_FINISHED] = "finished",
		};

		fputs(" ways:", out);
		for (unsigned w = 0; w < PROFD_WAY_COUNT; w++)
			if (p->ways[w])
				fprintf(out, " %s %" PRIu64, ways[w], p->ways[w]);
		fputs("\n", out);
	}
}

/* By program, the gravest verdicts first, the most frequent of them first. */
static int by_weight(const void *a, const void *b)
{
	const struct disagreement *x = a, *y = b;

	if (x->program != y->program)
		return x->program < y->program ? -1 : 1;
	if (x->verdict != y->verdict)
		return x->verdict > y->verdict ? -1 : 1;
	return x->count > y->count ? -1 : x->count < y->count;
}

void report_disagreements(struct report *report, FILE *out)
{
	struct disagreement *all = report->disagreements;
	size_t run = 0, hidden = 0;

	if (report->n_disagreements)
		qsort(all, report->n_disagreements, sizeof(*all), by_weight);
	for (size_t i = 0; i < report->n_disagreements; i++) {
		bool first = !i || all[i].program != all[i - 1].program ||
			     all[i].verdict != all[i - 1].verdict;
		bool last = i + 1 == report->n_disagreements ||
			    all[i].program != all[i + 1].program ||
			    all[i].verdict != all[i + 1].verdict;

		run = first ? 1 : run + 1;
		hidden = first ? 0 : hidden;
		if (all[i].verdict == OURS_WRONG || run <= MOST_SHOWN)
			fprintf(out, "%s: %s, %" PRIu64 " times: %s",
				report->programs[all[i].program].name, verdict_name(all[i].verdict),
				all[i].count, all[i].text);
		else
			hidden += all[i].count;
		if (last && hidden)
			fprintf(out, "%s: %s, %" PRIu64 " times elsewhere\n",
				report->programs[all[i].program].name, verdict_name(all[i].verdict),
				hidden);
	}
}

static int tap(FILE *out, bool ok, const char *program, const char *what, const char *value)
{
	fprintf(out, "%s - %s: %s%s\n", ok ? "ok" : "not ok", program, what, value);
	return !ok;
}

int report_tap(const struct report *report, const char *program, const struct report_limits *limits,
	FILE *out)
{
	struct program p = {0};
	double wrong, complete;
	char value[64];
	int failed = 0;

	for (size_t i = 0; i < report->n_programs; i++)
		if (!strcmp(report->programs[i].name, program))
			p = report->programs[i];
	wrong = percent(p.verdicts[OURS_WRONG], p.samples);
	complete = percent(p.complete, p.samples);
	snprintf(value, sizeof(value), "%" PRIu64 ", of %" PRIu64 " wanted", p.samples,
		limits->samples);
	failed += tap(out, p.samples && p.samples >= limits->samples, program, "samples ", value);
	snprintf(value, sizeof(value), "%.3f %%", wrong);
	failed += tap(out, wrong < limits->wrong, program, "ours wrong ", value);
	snprintf(value, sizeof(value), "%.2f %%", complete);
	failed += tap(out, complete >= limits->complete, program, "complete ", value);
	return failed;
}
