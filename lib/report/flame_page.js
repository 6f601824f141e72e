// SPDX-License-Identifier: MIT
// flame_page.js - the page: reads the data beside it, draws on a canvas what the window shows.

(() => {
	const ROW = 19; // pixels from one level to the next
	const MARGIN = 10;
	const LISTED = 500; // functions in the list; search narrows it
	const FONT = '12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
	const KINDS = ["", "kernel", "inlined", "JIT"];

	const element = (id) => document.getElementById(id);
	const data = JSON.parse(element("data").textContent);
	const canvas = element("picture");
	const context = canvas.getContext("2d");
	const { frames, functions } = data;
	const flame = new Flame(
		frames.depth,
		frames.width || frames.value,
		frames.function.map((f) => functions.name[f]),
	);
	const levels = frames.depth.reduce((deepest, d) => Math.max(deepest, d), 0) + 1;
	const dark = matchMedia("(prefers-color-scheme: dark)");
	const view = { zoom: 0, selected: -1, hovered: -1, found: null, width: 0, height: 0, column: 7.2 };
	const look = { palette: data.palette, inverted: data.inverted, theme: "" };

	// ---- words ----------------------------------------------------------------------------

	const SCALES = {
		nanoseconds: [1, "time"],
		microseconds: [1e3, "time"],
		milliseconds: [1e6, "time"],
		seconds: [1e9, "time"],
		bytes: [1, "bytes"],
	};
	const UNITS = {
		time: [[1, "ns"], [1e3, "us"], [1e6, "ms"], [1e9, "s"], [3600e9, "hrs"]],
		bytes: [[1, "B"], [2 ** 10, "kB"], [2 ** 20, "MB"], [2 ** 30, "GB"], [2 ** 40, "TB"]],
	};

	function scaled(value, unit) {
		const [factor, family] = SCALES[unit];
		const amount = value * factor;
		let chosen = UNITS[family][0];
		for (const candidate of UNITS[family])
			if (Math.abs(amount) >= candidate[0]) chosen = candidate;
		return (amount / chosen[0]).toFixed(2).replace(/\.00$/, "") + chosen[1];
	}

	function valueText(value, brief) {
		if (SCALES[data.unit]) return scaled(value, data.unit);
		const number = value.toLocaleString("en-US");
		const noun = value === 1 ? data.noun.replace(/s$/, "") : data.noun;
		return brief || !noun ? number : number + " " + noun;
	}

	const shareOf = (value, total) => (total ? flamePercent(value / total) : "0.00%");

	// XML's and the eye's trouble with control characters: their pictures.
	const visible = (name) =>
		name.replace(/[\0-\x1f\x7f]/g, (c) =>
			String.fromCharCode(c === "\x7f" ? 0x2421 : 0x2400 + c.charCodeAt(0)));

	// "1,234 samples, 12.34%"
	function figures(i) {
		const text = valueText(frames.value[i]) + ", " + shareOf(frames.value[i], frames.value[0]);
		if (!frames.base) return text;
		const base = frames.base[i];
		return text + "; base " + valueText(base) + ", " + shareOf(base, frames.base[0]);
	}

	function label(i) {
		return visible(flame.names[i]) + " (" + figures(i) + ")";
	}

	function more(i) {
		const f = frames.function[i];
		const parts = [];
		const parent = flame.parents[i];
		if (data.each) parts.push(scaled(frames.value[i] * data.each, "nanoseconds"));
		if (frames.self[i]) parts.push("self " + valueText(frames.self[i], true));
		if (parent > 0)
			parts.push(shareOf(frames.value[i], frames.value[parent]) + " of its caller");
		if (KINDS[functions.kind[f]]) parts.push(KINDS[functions.kind[f]]);
		if (data.modules[functions.module[f]]) parts.push(visible(data.modules[functions.module[f]]));
		return parts.join(" · ");
	}

	// ---- drawing --------------------------------------------------------------------------

	function isDark() {
		return look.theme ? look.theme === "dark" : dark.matches;
	}

	function fillOf(colours, i) {
		if (look.palette === "diff") return colours[frames.shade[i]];
		const column = look.palette === "module" || look.palette === "kind" ? look.palette : "name";
		return colours[functions.shade[column][frames.function[i]]];
	}

	function rowTop(depth) {
		const level = look.inverted ? depth : levels - 1 - depth;
		return MARGIN + level * ROW - element("scroll").scrollTop;
	}

	function drawFrame(i, place, style) {
		const left = MARGIN + place.left * (view.width - 2 * MARGIN);
		const width = place.width * (view.width - 2 * MARGIN);
		const top = rowTop(flame.depths[i]);
		if (top + ROW < 0 || top > view.height) return;
		context.globalAlpha = place.faded ? 0.35 : 1;
		context.fillStyle = view.found?.matched[i] ? style.mark : fillOf(style.colours, i);
		context.fillRect(left, top, Math.max(width - (width > 3 ? 0.6 : 0), 0.4), ROW - 1);
		const text = flameFit(visible(flame.names[i]), Math.floor((width - 8) / view.column));
		context.globalAlpha = 1;
		if (text) {
			context.fillStyle = place.faded ? style.ink : "#16181c";
			context.fillText(text, left + 4, top + ROW / 2);
		}
		if (i === view.selected || i === view.hovered) {
			context.strokeStyle = style.ink;
			context.lineWidth = i === view.selected ? 1.6 : 1;
			context.strokeRect(left + 0.5, top + 0.5, Math.max(width - 1.6, 0.5), ROW - 2);
		}
	}

	// Calls visit(i, place) for the frames that are wide enough to see.
	function eachShown(visit) {
		const least = 0.25 / Math.max(view.width - 2 * MARGIN, 1);
		for (let i = 0; i < flame.length; ) {
			const place = flame.place(i, view.zoom);
			if (!place || place.width < least) {
				i = flame.ends[i];
				continue;
			}
			visit(i, place);
			i++;
		}
	}

	function draw() {
		const css = getComputedStyle(document.documentElement);
		const style = {
			colours: data.palettes[look.palette][isDark() ? "dark" : "light"],
			ink: css.getPropertyValue("--ink"),
			mark: css.getPropertyValue("--mark"),
		};
		const ratio = window.devicePixelRatio || 1;
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, view.width, view.height);
		context.font = FONT;
		context.textBaseline = "middle";
		view.column = context.measureText("M".repeat(100)).width / 100;
		eachShown((i, place) => drawFrame(i, place, style));
		element("reset").disabled = !view.zoom;
	}

	let due = false;
	function drawSoon() {
		if (due) return;
		due = true;
		requestAnimationFrame(() => {
			due = false;
			draw();
		});
	}

	function resize() {
		const scroll = element("scroll");
		const ratio = window.devicePixelRatio || 1;
		const all = levels * ROW + 2 * MARGIN;
		view.width = scroll.clientWidth;
		view.height = scroll.clientHeight;
		element("space").style.height = Math.max(all, view.height) + "px";
		canvas.style.height = view.height + "px";
		canvas.width = Math.round(view.width * ratio);
		canvas.height = Math.round(view.height * ratio);
		draw();
	}

	function showRoot() {
		element("scroll").scrollTop = look.inverted ? 0 : levels * ROW;
	}

	// ---- what is under the pointer ----------------------------------------------------------

	function frameAt(event) {
		const box = canvas.getBoundingClientRect();
		const y = event.clientY - box.top;
		const at = (event.clientX - box.left - MARGIN) / (view.width - 2 * MARGIN);
		let found = -1;
		eachShown((i, place) => {
			const top = rowTop(flame.depths[i]);
			if (y >= top && y < top + ROW && at >= place.left && at < place.left + place.width)
				found = i;
		});
		return found;
	}

	function tell(i) {
		element("details").textContent = i < 0 ? "" : [label(i), more(i)].filter(Boolean).join("   ");
	}

	function hover(event) {
		const i = event ? frameAt(event) : -1;
		const tip = element("tip");
		tip.hidden = i < 0;
		if (i >= 0) {
			const [name, rest] = [document.createElement("b"), document.createElement("span")];
			name.textContent = visible(flame.names[i]);
			rest.textContent = [figures(i), more(i)].filter(Boolean).join(" · ");
			tip.replaceChildren(name, rest);
			const box = tip.getBoundingClientRect();
			const right = window.innerWidth - box.width - 8;
			const below = event.clientY + 18;
			const fits = below + box.height < window.innerHeight;
			tip.style.left = Math.max(Math.min(event.clientX + 12, right), 4) + "px";
			tip.style.top = (fits ? below : Math.max(event.clientY - box.height - 12, 4)) + "px";
		}
		if (i === view.hovered) return;
		view.hovered = i;
		tell(i >= 0 ? i : view.selected);
		drawSoon();
	}

	// ---- zoom, search, list -----------------------------------------------------------------

	function zoomTo(i) {
		view.zoom = i;
		flameWriteState({ zoom: i }, true);
		draw();
	}

	function select(i) {
		const scroll = element("scroll");
		view.selected = i;
		if (i >= 0) {
			const top = rowTop(flame.depths[i]);
			if (top < 0) scroll.scrollTop += top - MARGIN;
			if (top + ROW > view.height) scroll.scrollTop += top + ROW + MARGIN - view.height;
		}
		tell(i);
		drawSoon();
	}

	function search(text) {
		let wrong = "";
		view.found = null;
		try {
			if (text) view.found = flame.search(flameExpression(text));
		} catch {
			wrong = "not an expression";
		}
		element("matched").textContent = view.found
			? "Matched: " + flamePercent(view.found.share)
			: wrong;
		flameWriteState({ search: text }, false);
		fillList();
		drawSoon();
	}

	// Sums by function; a function below itself is counted once in its total.
	function sums() {
		const total = new Float64Array(functions.name.length);
		const self = new Float64Array(functions.name.length);
		const counted = new Int32Array(functions.name.length);
		for (let i = 1; i < flame.length; i++) {
			const f = frames.function[i];
			self[f] += frames.self[i];
			if (i < counted[f]) continue;
			total[f] += frames.value[i];
			counted[f] = flame.ends[i];
		}
		return { total, self };
	}

	let known = null;
	function fillList() {
		if (element("functions").hidden) return;
		known = known || sums();
		const text = element("search").value;
		const expression = view.found && text ? flameExpression(text) : null;
		const chosen = functions.name
			.map((name, f) => f)
			.filter((f) => f > 0 && (!expression || expression.test(functions.name[f])))
			.sort((a, b) => known.self[b] - known.self[a] || known.total[b] - known.total[a]);
		const rows = chosen.slice(0, LISTED).map((f) => {
			const row = document.createElement("tr");
			const cells = [
				visible(functions.name[f]),
				valueText(known.self[f], true),
				valueText(known.total[f], true),
			];
			row.append(...cells.map((cell) => {
				const td = document.createElement("td");
				td.textContent = cell;
				return td;
			}));
			row.title = cells[0];
			row.addEventListener("click", () => {
				const exact = functions.name[f].replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
				element("search").value = "^" + exact + "$";
				search(element("search").value);
			});
			return row;
		});
		element("functions").querySelector("tbody").replaceChildren(...rows);
		element("rest").textContent =
			chosen.length > LISTED ? `${chosen.length - LISTED} more: search to see them` : "";
	}

	function toggleList() {
		const list = element("functions");
		list.hidden = !list.hidden;
		element("list").setAttribute("aria-pressed", String(!list.hidden));
		fillList();
		resize();
	}

	// ---- looks ------------------------------------------------------------------------------

	function applyLook() {
		const root = document.documentElement;
		if (look.theme) root.setAttribute("data-theme", look.theme);
		else root.removeAttribute("data-theme");
		element("theme").value = look.theme;
		element("palette").value = look.palette;
		element("invert").setAttribute("aria-pressed", String(look.inverted));
		draw();
	}

	function changeLook(changes) {
		Object.assign(look, changes);
		flameWriteState({
			colors: look.palette === data.palette ? "" : look.palette,
			inverted: look.inverted === data.inverted ? "" : String(look.inverted),
			theme: look.theme,
		}, false);
		applyLook();
	}

	// ---- keys and state ---------------------------------------------------------------------

	function leave() {
		const field = element("search");
		if (field.value || document.activeElement === field) {
			field.value = "";
			field.blur();
			search("");
		} else if (view.zoom) zoomTo(0);
		else select(-1);
	}

	function key(event) {
		const meaning = flameKey(event, look.inverted);
		const target = event.target;
		if (target === element("search")) {
			const typed = event.key === "/" || !["search", "leave"].includes(meaning);
			if (typed) return;
		} else if (target.closest?.("button, select") && !["search", "leave"].includes(meaning))
			return;
		if (!meaning) return;
		event.preventDefault();
		const from = view.selected >= 0 ? view.selected : view.zoom;
		if (meaning === "search") element("search").focus();
		if (meaning === "search") element("search").select();
		else if (meaning === "leave") leave();
		else if (meaning === "zoom") zoomTo(from);
		else if (meaning === "out") zoomTo(Math.max(flame.parents[view.zoom], 0));
		else if (meaning === "home") zoomTo(0);
		else select(flame.neighbour(from, meaning, view.zoom));
	}

	function restore() {
		const state = flameReadState();
		view.zoom = state.zoom > 0 && state.zoom < flame.length ? state.zoom : 0;
		look.palette = data.palettes[state.all.get("colors")] ? state.all.get("colors") : data.palette;
		look.inverted = state.all.has("inverted")
			? state.all.get("inverted") === "true"
			: data.inverted;
		look.theme = ["light", "dark"].includes(state.all.get("theme")) ? state.all.get("theme") : "";
		element("search").value = state.search;
		applyLook();
		search(state.search);
	}

	function start() {
		document.title = data.title;
		element("title").textContent = data.title;
		element("subtitle").textContent = data.subtitle;
		element("palette").append(...Object.keys(data.palettes).map((name) => new Option(name, name)));
		canvas.addEventListener("mousemove", hover);
		canvas.addEventListener("mouseleave", () => hover(null));
		canvas.addEventListener("click", (event) => {
			const i = frameAt(event);
			if (i >= 0) zoomTo(i);
		});
		element("scroll").addEventListener("scroll", () => {
			hover(null);
			drawSoon();
		});
		element("reset").addEventListener("click", () => zoomTo(0));
		element("list").addEventListener("click", toggleList);
		element("invert").addEventListener("click", () => {
			changeLook({ inverted: !look.inverted });
			showRoot();
		});
		element("search").addEventListener("input", (event) => search(event.target.value));
		element("palette").addEventListener("change", (event) =>
			changeLook({ palette: event.target.value }));
		element("theme").addEventListener("change", (event) =>
			changeLook({ theme: event.target.value }));
		dark.addEventListener("change", draw);
		window.addEventListener("resize", resize);
		window.addEventListener("keydown", key);
		window.addEventListener("popstate", restore);
		resize();
		restore();
		showRoot();
		draw();
	}

	start();
})();
