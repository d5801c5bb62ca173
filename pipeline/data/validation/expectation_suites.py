"""Great Expectations: rules become suites, their results become a site of Data Docs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.data.validation.rules import Rule

_EXAMPLES = 20  # failing rows that the Data Docs show for each rule


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule on a frame."""

    rule: Rule
    passed: bool
    rows: list[int]  # that fail


class Suites:
    """Suites run in one context; all that stays is the Data Docs in `site`."""

    def __init__(self, site: Path) -> None:
        gx = _great_expectations()
        from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

        pages = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            data_docs_sites={"nightcap": pages},
            analytics_enabled=False,
            progress_bars={"globally": False},
        )
        self._context = gx.get_context(project_config=config, mode="ephemeral")
        self._source = self._context.data_sources.add_pandas("nightcap")

    def validate(
        self, name: str, frame: pd.DataFrame, rules: Sequence[Rule], index: Sequence[str] = ()
    ) -> list[RuleResult]:
        """Run a suite on a frame of facts and add it to the Data Docs; a result a rule.

        `index` are columns that name a row, the row's number first; none for the one row of a dataset.
        """
        checkpoint = self._checkpoint(name, rules, index)
        (run,) = checkpoint.run(batch_parameters={"dataframe": frame}).run_results.values()
        by_order = {result.expectation_config.meta["order"]: result for result in run.results}
        return [_rule_result(rule, by_order[order], index) for order, rule in enumerate(rules)]

    def _checkpoint(self, name: str, rules: Sequence[Rule], index: Sequence[str]) -> Any:
        gx = _great_expectations()
        batches = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        expectations = [_expectation(rule, order, bool(index)) for order, rule in enumerate(rules)]
        suite = self._context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(name=name, data=batches, suite=suite)
        checkpoint = gx.Checkpoint(
            name=name,
            validation_definitions=[self._context.validation_definitions.add(definition)],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="pages", site_names=["nightcap"])],
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": list(index),
                "partial_unexpected_count": _EXAMPLES,
                "return_unexpected_index_query": False,
            },
        )
        return self._context.checkpoints.add(checkpoint)


def _expectation(rule: Rule, order: int, by_row: bool) -> Any:
    expectations = _great_expectations().expectations
    common = {
        "column": rule.column,
        "description": rule.description,
        "meta": {"order": order},
        "severity": "warning" if by_row else "critical",
    }
    if rule.refused:
        return expectations.ExpectColumnValuesToNotBeInSet(value_set=list(rule.refused), **common)
    limits = {"min_value": rule.low, "max_value": rule.high}
    if by_row:
        return expectations.ExpectColumnValuesToBeBetween(**limits, **common)
    return expectations.ExpectColumnMaxToBeBetween(**limits, **common)  # of the dataset's one row


def _rule_result(rule: Rule, result: Any, index: Sequence[str]) -> RuleResult:
    failing = result.result.get("unexpected_index_list") or []
    if index and not failing and not result.success:
        raise RuntimeError(
            f"rule {rule.description!r} on {rule.column!r} could not be checked: {result.exception_info}"
        )
    return RuleResult(rule, bool(result.success), [int(item[index[0]]) for item in failing])


def _great_expectations() -> Any:
    """Import it lazily, for it takes seconds, and without its log."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx
    import great_expectations.expectations

    return gx
