"""The data sets of a study: what their arrays and their audits depend on, where these stand and whether they do."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from bakeoff import layout, stages
from bakeoff.audit import verdict
from bakeoff.audit.spec import AuditMode
from bakeoff.data import registry as sources
from bakeoff.data.source import Info
from bakeoff.data.spec import DataSettings
from bakeoff.entries import DatasetEntry
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import Json, canonical, read_record, spec_digest
from bakeoff.study import Study


class Datasets:
    """The steps `prepare` and `audit` of a study."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._datasets = {entry.name: entry for entry in study.datasets}
        self._texts: dict[str, str] = {}
        self._infos: dict[str, Info] = {}
        self._data_specs: dict[str, Json] = {}

    def _digest(self, spec: Json) -> str:
        """The spec's digest; two settings with one digest would share a folder, so that is an error."""
        digest, text = spec_digest(spec), canonical(spec)
        if self._texts.setdefault(digest, text) != text:
            raise UserError(f"two settings of this study have the same digest {digest}; change one of them slightly")
        return digest

    def _info(self, dataset: str) -> Info:
        """Facts about a data set; the user's own files are looked at once."""
        if dataset not in self._infos:
            self._infos[dataset] = self._datasets[dataset].info(Path(self.study.data_root))
        return self._infos[dataset]

    def _size(self, dataset: str) -> int:
        """Side of the prepared images in pixels."""
        size = self._datasets[dataset].image_size or self._info(dataset).size
        if size is None:
            raise UserError(f"study {self.study.study}: {dataset}: needs image_size")
        return size

    # --- prepare ---

    def data_spec(self, dataset: str) -> Json:
        """What the arrays of a data set depend on: of the user's own images the content, not where they stand."""
        if dataset not in self._data_specs:
            entry: DatasetEntry = self._datasets[dataset]
            settings = entry.model_dump(include=set(DataSettings.model_fields))
            spec: Json = {
                "name": entry.name,
                "source": entry.source,
                "settings": {**settings, "image_size": self._size(dataset)},
            }
            if options := {name: value for name, value in entry.options.items() if name != sources.PLACE}:
                spec["options"] = options
            if content := sources.content(entry.source, entry.options, Path(self.study.data_root)):
                spec["content"] = content
            self._data_specs[dataset] = spec
        return self._data_specs[dataset]

    def data_code(self, dataset: str) -> str:
        """Digest of what `prepare` runs for a data set."""
        return stages.prepare(self._datasets[dataset].source)

    def data_place(self, dataset: str) -> str:
        """Where the user's own images stand, as the study says; "" for published sets."""
        return str(self._datasets[dataset].options.get(sources.PLACE, ""))

    def data_threads(self, dataset: str) -> int:
        """Threads that `prepare` can use: many where it decodes, one where it only copies."""
        published = "/" not in self._datasets[dataset].source and not self.data_place(dataset)
        return 1 if published else 16

    def data_dir(self, dataset: str) -> Path:
        """Folder of the prepared arrays."""
        return layout.data_dir(dataset, self._digest(self.data_spec(dataset)))

    def prepared(self, dataset: str) -> Json | None:
        """The manifest of a data set, when it is there and is that of these settings and this code."""
        spec, code = self._digest(self.data_spec(dataset)), self.data_code(dataset)
        try:
            return read_record(self.data_dir(dataset) / "manifest.json", "data", spec=spec, code=code)
        except Refused:
            return None

    # --- audit ---

    def data_audit(self, dataset: str) -> AuditMode:
        """What becomes of what the audit finds. Not in the spec: the arrays do not depend on it."""
        return self._datasets[dataset].audit

    def audit_path(self, dataset: str) -> Path:
        """The record of the audit, beside the manifest."""
        return self.data_dir(dataset) / "audit.json"

    @cached_property
    def audit_code(self) -> str:
        """Digest of what `audit` runs."""
        return stages.audit()

    def audit_spec(self, dataset: str) -> Json:
        """What the audit depends on besides the images. Near duplicates that were found stay found with `audit: off`,
        so that studies of both kinds share the record instead of making it in turn.
        """
        if self.data_audit(dataset) != "off":
            return {"near": True}
        try:
            record = read_record(self.audit_path(dataset), "audit", code=self.audit_code)
        except Refused:
            return {"near": False}
        return {"near": record["spec"]["near"]}

    def audited(self, dataset: str) -> Json | None:
        """The record of the audit, when it is that of the images prepared now and made by this code."""
        manifest = self.prepared(dataset)
        try:
            record = read_record(self.audit_path(dataset), "audit", code=self.audit_code)
        except Refused:
            return None
        return record if manifest and record["data_digest"] == manifest["record_digest"] else None

    def refuse_prepared(self, datasets: Iterable[str]) -> None:
        """Raise UserError when one of these data sets, prepared already, has what `audit: strict` refuses. One that is
        not is refused by `prepare`; so strict holds for every study, and asking for it makes nothing again.
        """
        for dataset in datasets:
            if self.data_audit(dataset) != "strict" or not self.prepared(dataset):
                continue
            if record := self.audited(dataset):
                verdict.refuse(dataset, record["audit"])
            else:  # prepared, and its audit is to do (again): training is not to begin before
                from bakeoff.audit import step

                step.admit(self.data_dir(dataset))
