"""The registry in which task types are found."""

import pytest

from meetingtasks.catalogue import Catalogue, TaskType
from meetingtasks.errors import UnknownTaskType
from meetingtasks.payloads.custom import CustomPayload


def declared(name: str, *aliases: str) -> TaskType:
    return TaskType(name=name, service="billing-service", queue="billing_tasks", payload=CustomPayload, aliases=aliases)


INVOICE = declared("invoice", "billing.invoice", "bill")


@pytest.mark.parametrize("name", ["invoice", "billing.invoice", "bill", "meetingtasks.billing.invoice"])
def test_a_type_is_found_by_name_alias_and_celery_name(name: str) -> None:
    catalogue = Catalogue([INVOICE])
    assert catalogue.get(name) is INVOICE
    assert catalogue.find(name) is INVOICE
    assert name in catalogue
    assert catalogue.aliases()[name] == "invoice"


@pytest.mark.parametrize("name", ["Invoice", "invoice ", "inv\u043eice", "invoce"])
def test_a_name_that_is_nearly_right_is_refused_with_the_right_one(name: str) -> None:
    with pytest.raises(UnknownTaskType, match="did you mean invoice") as raised:
        Catalogue([INVOICE]).get(name)
    assert "invoice" in raised.value.details["suggestions"]
    assert Catalogue([INVOICE]).find(name) is None


def test_a_name_that_is_far_off_is_refused_and_cut() -> None:
    with pytest.raises(UnknownTaskType, match="list all with") as raised:
        Catalogue([INVOICE]).get("z" * 1_000_000)
    assert len(raised.value.message) < 200


def test_names_of_custom_routes_are_proposed_too() -> None:
    error = Catalogue().unknown("refnd", also=["refund"])
    assert "did you mean refund" in error.message


@pytest.mark.parametrize("taken", ["invoice", "bill", "meetingtasks.billing.invoice"])
def test_a_name_that_is_taken_by_another_type_is_refused_and_nothing_is_added(taken: str) -> None:
    catalogue = Catalogue([INVOICE])
    with pytest.raises(ValueError, match="is taken by 'invoice'"):
        catalogue.add(declared("other", "fresh", taken))
    assert len(catalogue) == 1
    assert "fresh" not in catalogue


def test_the_same_type_may_be_declared_again() -> None:
    catalogue = Catalogue([INVOICE, INVOICE])
    assert list(catalogue) == [INVOICE]
