from __future__ import annotations

import subprocess
import sys
import time

import pytest

from envid.errors import EnvidError, InvalidRequirement, InvalidSpec
from envid.requirements import check_url, name_of, normalize, normalize_python

A, B = "a" * 64, "b" * 64
LONG = 30_000

PYPI = [
    ("numpy", "numpy"),
    (" NumPy\t", "numpy"),
    ("zope.Interface__x", "zope-interface-x"),
    ("numpy >= 1.2 , < 2,>=1.2", "numpy<2,>=1.2"),
    ("numpy(>=1.2)", "numpy>=1.2"),
    ("numpy (>=1.2,<2)", "numpy<2,>=1.2"),
    ("a[B_c, a ,A]==1.0", "a[a,b-c]==1.0"),
    ("a[]", "a"),
    ("a===1.0-Foo", "a===1.0-Foo"),
    ("a === 1.0; os_name=='x'", 'a===1.0; os_name == "x"'),
    ("a==1!2.0", "a==1!2.0"),
    ("a==1.0+Ubuntu-1", "a==1.0+ubuntu.1"),
    ("a==v1.0.RC1", "a==1.0rc1"),
    ("a>=01.2", "a>=1.2"),
    ("a!=1.0.*", "a!=1.0.*"),
    ("a ~= 1.0.post1", "a~=1.0.post1"),
    ("a==1.0 ;python_version<'3.8'", 'a==1.0; python_version < "3.8"'),
    ("a ; os.name == 'A' and(sys.platform=='b')", 'a; os_name == "A" and (sys_platform == "b")'),
    ("a; python_implementation=='C'", 'a; platform_python_implementation == "C"'),
    ("a; 'x'  not   in platform.version", 'a; "x" not in platform_version'),
    ("""a; platform_version=='a"b'""", """a; platform_version == 'a"b'"""),
    ("a; extra=='X_y' and os_name=='A_b'", 'a; extra == "x-y" and os_name == "A_b"'),
    ("a; os_name=='A_b' and extra=='X_y'", 'a; os_name == "A_b" and extra == "x-y"'),
    ("a; os_name=='A_b' and 'X_y' == extra", 'a; os_name == "A_b" and "x-y" == extra'),
    ("a; ((os_name=='x'))", 'a; ((os_name == "x"))'),
    ("Name@https://h/x.whl", "name @ https://h/x.whl"),
    ("n[B,a] @ https://h/x.whl ;os_name=='x'", 'n[a,b] @ https://h/x.whl ; os_name == "x"'),
    ("n @ file:NAME#sha256=abc", "n @ file:NAME#sha256=abc"),
    ("n @ git+ssh://git@h/o/r.git@v1", "n @ git+ssh://git@h/o/r.git@v1"),
    ("https://h/x-1-py3-none-any.whl", "https://h/x-1-py3-none-any.whl"),
    ("git+https://h/r.git@v1#egg=Foo[X]", "git+https://h/r.git@v1#egg=Foo[x]"),
    ("git+file:///srv/r[B,a] ; os_name == 'x'", 'git+file:///srv/r[a,b] ; os_name == "x"'),
    ("https://h/x.whl; os_name=='x'", 'https://h/x.whl ; os_name == "x"'),
    ("https://[::1]:8080/x.whl", "https://[::1]:8080/x.whl"),
    ("file:NAME#sha256=abc", "file:NAME#sha256=abc"),
    (f"a --hash=sha256:{B}  --hash SHA256:{A.upper()}", f"a --hash=sha256:{A} --hash=sha256:{B}"),
    (f"a>=1\t--hash=sha256:{A} --hash=sha256:{A}", f"a>=1 --hash=sha256:{A}"),
    (f"n @ https://h/x.whl --hash=sha256:{A}", f"n @ https://h/x.whl --hash=sha256:{A}"),
]

CONDA = [
    ("NumPy", "numpy"),
    ("numpy=1.2", "numpy=1.2"),
    ("numpy = 1.2", "numpy=1.2"),
    ("numpy 1.2.*", "numpy 1.2.*"),
    ("numpy >= 1 , < 2, >=1", "numpy<2,>=1"),
    ("numpy 1.2|1.3", "numpy 1.2|1.3"),
    ("numpy (>=2|<1),!=0.5", "numpy (>=2|<1),!=0.5"),
    ("numpy=1.2=py38_0", "numpy=1.2=py38_0"),
    ("numpy  1.2   py38_0", "numpy 1.2 py38_0"),
    ("numpy>=1,<2=py38*", "numpy<2,>=1=py38*"),
    ("numpy*", "numpy*"),
    ("numpy *", "numpy *"),
    ("*[track_features=x]", "*[track_features='x']"),
    ("_r-mutex 1.*", "_r-mutex 1.*"),
    ("conda-forge::numpy[build=py311*]", "conda-forge::numpy[build='py311*']"),
    ("conda-forge/linux-64 :: X", "conda-forge/linux-64::x"),
    ("https://h/c/::x>=1", "https://h/c::x>=1"),
    ("http://[::1]:80/c::x[build=a]", "http://[::1]:80/c::x[build='a']"),
    ("x[version='>=1, <2' , build=\"a\"]", "x[build='a',version='<2,>=1']"),
    ("x[license=\"a 'b'\"]", "x[license=\"a 'b'\"]"),
    ("x[channel='https://h/c']", "x[channel='https://h/c']"),
    ("x[extras=[b, a], flags=[c:d]]", "x[extras=[a,b],flags=[c:d]]"),
    ('x[when="python >=3.10 and (__unix or y)"]', "x[when='python >=3.10 and (__unix or y)']"),
    ("https://h/c/noarch/a-1-0.conda", "https://h/c/noarch/a-1-0.conda"),
    (f"file:///c/a-1-0.tar.bz2#{A[:32]}", f"file:///c/a-1-0.tar.bz2#{A[:32]}"),
]

SYS = [
    ("__glibc=2.28", "__glibc=2.28"),
    ("__GLIBC == 2.28 = 0", "__glibc=2.28"),
    ("__archspec=1=x86_64_v3", "__archspec=1=x86_64_v3"),
]

SPELLINGS = [
    *(("pypi", *row) for row in PYPI),
    *(("conda", *row) for row in CONDA),
    *(("sys", *row) for row in SYS),
]

BROKEN = [
    ("pypi", "", "it is empty"),
    ("pypi", "num py", "`py` is not a version specifier"),
    ("pypi", "-r x.txt", "does not start with the name"),
    ("pypi", "a>=1.0.*", "`>=1.0.*` is not a version specifier"),
    ("pypi", "a>=1.0rc1.*", "is not a version specifier"),
    ("pypi", "a~=1", "`~=1` is not a version specifier"),
    ("pypi", "a>=1.0,,<2", "`>=1.0,,<2` is not a version specifier"),
    ("pypi", "a (>=1, ,<2)", "is not a version specifier"),
    ("pypi", "a>=" + "1" * 5000, "is not a version specifier"),
    ("pypi", "a; os_name='x'", "`os_name='x'` is not a marker"),
    ("pypi", "a; " + "(" * 5000 + "os_name=='x'" + ")" * 5000, "nested too deeply"),
    ("pypi", "https://h/x ; x", "`x` is not a marker"),
    ("pypi", "https://h/x ; " + "(" * 5000, "nested too deeply"),
    ("pypi", "a[b", "are no extras"),
    ("pypi", "a[b]]", "is not a version specifier"),
    ("pypi", "a (>=1", "`(>=1` is not a version specifier"),
    ("pypi", "a (>=1) ; x", "`x` is not a marker"),
    ("pypi", "a @", "is not a URL"),
    ("pypi", "a @ ../b", "`../b` is not a URL"),
    ("pypi", "https://[::1/x", "it is not a URL"),
    ("pypi", "https://h/x y", "white space"),
    ("pypi", "file: ", "leads nowhere"),
    ("pypi", "a @ https://h/\x00", "control character"),
    ("pypi", "a===\x00", "is not a version specifier"),
    ("pypi", "a; os_name == '\t'", "control character"),
    ("pypi", "a; os_name == '\ud800'", "is not a pypi requirement"),
    ("pypi", "a\ud800", "is not a version specifier"),
    ("pypi", "a --hash=sha256:12", "`sha256:12` is not a digest"),
    ("pypi", f"a --hash=md5:{A[:32]}", "is not a digest"),
    ("pypi", f"a --hash=sha256:{A} --foo", "is not a digest"),
    ("pypi", "a --foo", "`--foo` is not a version specifier"),
    ("conda", "", "it is empty"),
    ("conda", "::x", "the URL is empty"),
    ("conda", "c::", "it has no name"),
    ("conda", "x@y", "`x@y` is not a name"),
    ("conda", "x >=1 <2", "`>=1<2` is not a version"),
    ("conda", "x 1 b c", "`1 b c` is not a version"),
    ("conda", "x>=1,", "`>=1,` is not a version"),
    ("conda", "x (1|2", "is not a version"),
    ("conda", "x[version='1 2']", "`1 2` is not a version"),
    ("conda", "x[extras=[a]", "is not `[key='value', ...]`"),
    ("conda", "x[]", "is not `[key='value', ...]`"),
    ("conda", "x[a=1,]", "is not `[key='value', ...]`"),
    ("conda", "x[a=1,a=2]", "is not `[key='value', ...]`"),
    ("conda", "x[a='1'", "is not `[key='value', ...]`"),
    ("conda", "x[a='\x01']", "control character"),
    ("conda", "a\ud800", "is not a name"),
    ("sys", "__glibc", "a name and a version"),
    ("sys", "__cuda>=12", "a name and a version"),
    ("sys", "glibc=2.28", "a name and a version"),
]

SECRET = [
    ("pypi", "a @ https://ada:hush@h/x.whl"),
    ("pypi", "https://hush@h/x.whl"),
    ("pypi", "git+https://ada:hush@h/r.git@v1[extra]"),
    ("pypi", "a @ https://ada:hush@h/x y"),
    ("pypi", "https://h/x.whl?X-Amz-Signature=hush&a=1"),
    ("pypi", "https://h/x.whl?a=1&access_token=hush"),
    ("conda", "https://h/t/hush/c::x"),
    ("conda", "https://ada:hush@h/c::x"),
    ("conda", "x[channel='https://ada:hush@h/c']"),
    ("conda", "https://ada:hush@h/noarch/a-1-0.conda"),
]


@pytest.mark.parametrize(("category", "text", "normal"), SPELLINGS)
def test_a_requirement_has_one_normal_spelling(category: str, text: str, normal: str) -> None:
    assert normalize(category, text) == normal
    assert normalize(category, normal) == normal


@pytest.mark.parametrize(("text", "normal"), CONDA)
def test_npconda_requirements_are_spelled_as_conda_ones(text: str, normal: str) -> None:
    assert normalize("npconda", text) == normal


@pytest.mark.parametrize(("category", "text", "reason"), BROKEN)
def test_what_is_no_requirement_is_refused_with_the_reason_on_one_short_line(
    category: str, text: str, reason: str
) -> None:
    with pytest.raises(InvalidRequirement) as caught:
        normalize(category, text)
    message = str(caught.value)
    assert reason in message
    assert message.isprintable()
    assert len(message) < 700
    assert caught.value.category == category


@pytest.mark.parametrize(("category", "text"), SECRET)
def test_a_credential_is_refused_and_never_shown(category: str, text: str) -> None:
    with pytest.raises(InvalidRequirement) as caught:
        normalize(category, text)
    assert "hush" not in f"{caught.value} {caught.value!r} {caught.value.text} {caught.value.hint}"


def test_an_unknown_category_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="category: `npm` is not known"):
        normalize("npm", "x")


@pytest.mark.parametrize(
    ("category", "text"),
    [
        ("pypi", "a" + " " * LONG + "1"),
        ("pypi", "a[" + "b," * LONG),
        ("pypi", "a>=" + "1," * LONG),
        ("pypi", "a; " + "(" * LONG),
        ("pypi", "a--" * LONG),
        ("pypi", "a @ https://" + "://@" * LONG + " y"),
        ("pypi", "https://h/" + "?token=" * LONG),
        ("pypi", "a" + " --hash=sha256:x" * LONG),
        ("conda", "a" + " " * LONG + "1 |"),
        ("conda", "a[" + "b" * LONG + "]"),
        ("conda", "a[" + "['" * LONG + "]"),
        ("conda", "a " + "a=" * LONG),
        ("conda", "a " + "(|" * LONG),
        ("sys", "__a=a" + " = 0" * LONG),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else value,
)
def test_hostile_length_costs_no_quadratic_time(category: str, text: str) -> None:
    started = time.process_time()
    with pytest.raises(EnvidError) as caught:
        normalize(category, text)
    assert time.process_time() - started < 5
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("3", "==3.*"),
        ("3.11", "==3.11.*"),
        ("3.11.*", "==3.11.*"),
        ("=3.11", "==3.11.*"),
        (" 3.11.7 ", "==3.11.7"),
        ("3.14.0rc1", "==3.14.0rc1"),
        ("==3.011.*", "==3.11.*"),
        (">=3.10 , <3.13", "<3.13,>=3.10"),
        ("~=3.10", "~=3.10"),
        ("", ""),
    ],
)
def test_a_python_version_becomes_a_specifier(text: str, normal: str) -> None:
    assert normalize_python(text) == normal
    assert normalize_python(normal) == normal


@pytest.mark.parametrize("text", ["x", "3.11.7.1x", "\uff13.11", "===\x00", ">=" + "1" * 5000])
def test_what_is_no_python_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^python: .* is not a version"):
        normalize_python(text)


@pytest.mark.parametrize(
    "url",
    [
        "conda-forge",
        "https://h/simple",
        "https://h:8080/a/b?c=d",
        "https://h/packages/source/t/tqdm/tqdm-1.tar.gz",
        "git+ssh://git@h/r",
        "file:///srv/wheels",
        "https://h/caf\u00e9",
    ],
)
def test_a_url_without_secrets_is_given_back(url: str) -> None:
    assert check_url("url", url) == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is empty"),
        ("https://h/a b", "white space"),
        ("https://h/\ud800", "control character"),
        ("https://[x/", "it is not a URL"),
        ("https://h\u2100/", "it is not a URL"),
        ("https://ada:@h/", "`h` holds a credential"),
        ("t/hush/c", "the URL holds a credential"),
        ("https://h/conda/t/ab-12345678-9/c", "`h` holds a credential"),
    ],
)
def test_a_hostile_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason):
        check_url("url", url)


def test_plain_requests_import_nothing_heavy() -> None:
    code = (
        # What an interpreter loads by itself, such as for an editable install, is not ours.
        "import sys; before = set(sys.modules); import envid\n"
        "envid.EnvSpec.make(requirements={'pypi': ['numpy[x]>=1.2,<2', 'flask~=3.0']},"
        " python='3.11', sources=[envid.Source.make('index', 'https://h/simple')]).req_id\n"
        "print({'packaging', 'urllib.parse', 'jsonschema'} & (set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.mark.parametrize(
    ("category", "text", "name"),
    [
        ("pypi", "flask", "flask"),
        ("pypi", "zope-interface[a]<2,>=1", "zope-interface"),
        ("pypi", 'rich; python_version < "3.12"', "rich"),
        ("pypi", "a @ https://h/a.whl", "a"),
        ("pypi", "a==1 --hash=sha256:" + "0" * 64, "a"),
        ("pypi", "git+https://h/r.git@v1", ""),
        ("pypi", "https://h/a.whl", ""),
        ("pypi", "file:a.whl#sha256=" + "0" * 64, ""),
        ("conda", "numpy", "numpy"),
        ("conda", "conda-forge::numpy<2,>=1", "numpy"),
        ("conda", "https://[::1]:80/c::numpy 1.2.* py38_0", "numpy"),
        ("conda", "_libgcc_mutex=0.1=main", "_libgcc_mutex"),
        ("conda", "lib*[build='py311*']", "lib*"),
        ("npconda", "https://h/c/linux-64/r-base-4.1-h1_0.conda", "r-base"),
        ("conda", "https://h/c/noarch/a-1-0.tar.bz2#" + "0" * 32, "a"),
        ("sys", "__glibc=2.28", "__glibc"),
    ],
)
def test_the_name_of_what_a_requirement_is_about(category: str, text: str, name: str) -> None:
    assert normalize(category, text) == text
    assert name_of(category, text) == name
