"""What shells and tools of other languages print in the place of an output, in the words of the C locale.

>>> in_english("bash: ip：未找到命令"), in_english("cat: /proc/x: Keine Berechtigung")
('bash: ip: command not found', 'cat: /proc/x: Permission denied')

The words are those of the translations of bash, coreutils, glibc and sudo.
"""

from __future__ import annotations

import re

_WORDS = {
    "command not found": (
        "未找到命令",
        "找不到命令",
        "没有找到",
        "Kommando nicht gefunden",
        "Befehl nicht gefunden",
        "commande introuvable",
        "orden no encontrada",
        "no se encontró la orden",
        "comando não encontrado",
        "comando non trovato",
        "команда не найдена",
        "コマンドが見つかりません",
        "명령어를 찾을 수 없음",
    ),
    "Permission denied": (
        "权限不够",
        "拒绝访问",
        "權限不足",
        "拒絕不符權限的操作",
        "Keine Berechtigung",
        "Permission non accordée",
        "Permiso denegado",
        "Permissão negada",
        "Permesso negato",
        "Отказано в доступе",
        "許可がありません",
        "허가 거부",
    ),
    "Operation not permitted": (
        "不允许的操作",
        "此項操作並不被允許",
        "Die Operation ist nicht erlaubt",
        "Vorgang nicht zulässig",
        "Opération non permise",
        "Operación no permitida",
        "Operação não permitida",
        "Operazione non permessa",
        "Операция не позволена",
        "許可されていない操作です",
        "명령을 허용하지 않음",
    ),
    "No such file or directory": (
        "没有那个文件或目录",
        "沒有此一檔案或目錄",
        "Datei oder Verzeichnis nicht gefunden",
        "Aucun fichier ou dossier de ce type",
        "Aucun fichier ou dossier de ce nom",
        "No existe el archivo o el directorio",
        "No existe el fichero o el directorio",
        "Arquivo ou diretório inexistente",
        "File o directory non esistente",
        "Нет такого файла или каталога",
        "そのようなファイルやディレクトリはありません",
        "그런 파일이나 디렉터리가 없습니다",
    ),
    "a password is required": (
        "需要密码",
        "需要密碼",
        "Ein Passwort ist notwendig",
        "il est nécessaire de saisir un mot de passe",
    ),
}
_ENGLISH = {word: english for english, words in _WORDS.items() for word in words}
_ANY = re.compile("|".join(map(re.escape, sorted(_ENGLISH, key=len, reverse=True))))


def in_english(line: str) -> str:
    """The line with the words of a translated complaint in English, and its colons as others write them."""
    if not _ANY.search(line):
        return line
    return re.sub(r"\s*[:：]\s*", ": ", _ANY.sub(lambda found: _ENGLISH[found[0]], line))
