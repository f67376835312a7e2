#!/usr/bin/env bash
# usage: tools/wheel_check.sh [PYTHON]   (make wheel-check)
# Source distribution -> wheel, in isolation -> empty virtual environment -> a picture in two lines. Compiles everything once. The wheel and the
# picture stay in out/wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
out=$PWD/out/wheel
rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '[wheel-check] %s (%d s)\n' "$*" "$SECONDS"; }

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install -q build "scikit-build-core>=0.11"
# Which files are in a source distribution needs no torch.
"$work/tools/bin/python" -m build --sdist --no-isolation --skip-dependency-check --outdir "$out" . >"$work/sdist.log" 2>&1 ||
  { tail -30 "$work/sdist.log"; exit 1; }
say "source distribution: $(du -h "$out"/*.tar.gz | cut -f1)"
"$work/tools/bin/pip" wheel --no-deps -w "$out" "$out"/*.tar.gz >"$work/wheel.log" 2>&1 || { tail -40 "$work/wheel.log"; exit 1; }
say "wheel: $(du -h "$out"/*.whl | cut -f1), $("$python" -m zipfile -l "$out"/*.whl | tail -n +2 | wc -l) files"

"$python" -m venv "$work/empty"
"$work/empty/bin/pip" install -q "$out"/*.whl
say "installed beside $("$work/empty/bin/python" -c 'import torch; print("torch", torch.__version__)')"
cd "$work"
"$work/empty/bin/python" -c "
import llmdit
llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())('a red circle left of a blue star', seed=1).images[0].save('$out/two-lines.png')"
"$work/empty/bin/llmdit" generate "a red circle left of a blue star" --seed 1 -o "$out/command.png"
cat >picture.c <<'C'
#include <llmdit.h>
int main(void) { return llmdit_abi_version() == LLMDIT_ABI_VERSION ? 0 : 1; }
C
package=$("$work/empty/bin/python" -c "import importlib.util as u; print(u.find_spec('llmdit').submodule_search_locations[0])")
cc picture.c -I"$package/include" "$package"/lib/libllmdit_c.so.* -Wl,-rpath,"$package/lib" -o picture && ./picture
if readelf -d "$package"/lib/*.so* "$package"/bin/llmdit "$package"/*.so | grep RUNPATH | grep -v '\$ORIGIN'; then
  say "a path of the machine that built it is in the wheel"
  exit 1
fi
say "done: $out/two-lines.png"
