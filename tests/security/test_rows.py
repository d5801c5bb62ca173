"""The ways in that a review with an attacker's eyes found, each with the tests that hold it shut; they lie by subject.

A row has its number in that review. `pytest $(python -m tests.security.test_rows)` runs them all.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ROWS = {
    "1 an account at MLflow makes a night run its code": """
        tests/security/test_models_of_strangers.py::test_nobody_registers_the_champions_name_first
        tests/security/test_models_of_strangers.py::test_a_strangers_code_never_runs
        tests/security/test_models_of_strangers.py::test_nobody_else_changes_the_champion_that_training_promoted
        tests/security/test_models_of_strangers.py::test_who_may_write_the_journal_lets_it_run
        tests/security/test_models_of_strangers.py::test_its_code_reads_and_stops_no_other_process_of_its_user
        tests/pipeline/registry/test_external.py::test_the_tags_of_a_named_version_alone_run_nothing
        tests/pipeline/registry/test_artifact_hosts.py::test_no_password_goes_to_the_host_that_a_version_names
    """,
    "2 one account with all rights, secrets on command lines": """
        tests/infra/test_compose_roles.py::test_a_role_has_its_own_account_and_may_write_only_its_own_buckets
        tests/infra/test_compose_roles.py::test_no_secret_stands_on_a_command_line
        tests/infra/test_compose_roles.py::test_no_command_of_the_docs_takes_a_secret_as_an_argument
        tests/infra/test_store_doors.py::test_nobody_else_reaches_its_inner_doors
    """,
    "3 nights write what training trusts": """
        tests/security/test_roles.py::test_nights_and_who_only_reads_write_nothing_of_trainings
        tests/security/test_roles.py::test_a_night_does_its_work_where_it_may_write_nothing_else
        tests/pipeline/storage/test_stage_outputs.py::test_an_output_is_used_only_with_the_files_that_its_stage_wrote
        tests/pipeline/storage/test_stage_outputs.py::test_a_planted_folder_is_not_adopted
        tests/pipeline/storage/test_stage_outputs.py::test_20_3_a_change_on_purpose_lists_nothing_that_others_put_there
        tests/pipeline/upkeep/test_forget.py::test_20_3_what_others_put_into_an_output_is_scrubbed_and_not_taken_for_its_own
        tests/pipeline/core/settings/test_config_file.py::test_every_way_to_change_settings_counts
    """,
    "4 decoders inherit the environment and the network": """
        tests/security/test_decoder.py::test_ways_out_are_closed
        tests/security/test_decoder.py::test_no_system_call_leads_around_libc
        tests/security/test_decoder.py::test_its_environment_holds_no_secret
        tests/security/test_decoder.py::test_it_writes_nowhere
        tests/security/test_decoder.py::test_a_process_hides_from_others_of_its_user
        tests/pipeline/core/test_subprocesses.py::test_a_child_finds_no_secret_unless_it_is_to_reach_the_registry
        tests/nightcap/local/test_stack.py::test_20_4_services_have_what_they_need_of_the_shell_s_variables_and_nothing_else
    """,
    "5 decoding beside credentials, sizes judged late": """
        tests/faults/test_hostile_images.py::test_17_pixel_bombs
        tests/pipeline/imaging/sandbox/test_stream.py::test_an_image_that_kills_decoders_costs_itself
        tests/pipeline/data/validation/test_measurements.py::test_an_image_that_kills_the_decoder_is_quarantined
        tests/pipeline/model/test_image_file.py::test_a_size_is_judged_before_a_byte_is_read
        tests/pipeline/storage/objects/test_s3.py::test_20_5_a_body_without_a_length_is_read_no_further_than_allowed
    """,
    "6 a folder becomes a link between check and use": """
        tests/pipeline/storage/objects/test_beneath.py::test_20_6_no_byte_from_outside_while_a_folder_is_swapped_for_a_link
        tests/pipeline/storage/objects/test_beneath.py::test_20_6_a_root_that_becomes_a_link_gives_nothing
        tests/pipeline/storage/objects/test_beneath.py::test_a_folder_that_is_held_stays_itself
        tests/serving/runs/test_plan_file.py::test_20_6_a_planned_night_does_not_follow_its_input_elsewhere
        tests/serving/reporting/outputs/test_targets.py::test_20_6_what_a_link_leads_to_is_neither_read_nor_removed
    """,
    "7 a formula behind another separator": """
        tests/pipeline/core/test_spreadsheet.py::test_no_cell_begins_a_formula_whatever_separates
    """,
    "8 a name acts on a console or forges a line of a log": """
        tests/pipeline/core/test_terminal.py::test_what_acts_on_a_terminal_is_escaped
        tests/pipeline/core/test_terminal.py::test_a_log_and_a_traceback_hold_no_forged_line
        tests/security/test_console.py::test_a_refused_argument_is_repeated_without_what_it_does
        tests/security/test_console.py::test_commands_print_only_through_what_escapes
    """,
    "9 files that everybody reads, an MLflow without a login": """
        tests/pipeline/storage/test_files.py::test_who_may_read_is_the_umasks_choice_from_the_first_moment
        tests/pipeline/storage/test_files.py::test_a_secret_is_its_owners_alone_from_the_first_moment
        tests/nightcap/local/test_stack.py::test_mlflow_asks_for_a_login
        tests/infra/test_make_env.py::test_env_is_private_random_and_never_replaced
    """,
    "10 forms that read and remove what they should not": """
        tests/pipeline/training/test_run.py::test_a_form_names_no_path_outside_the_roots
        tests/pipeline/training/test_encoder_stage.py::test_weights_with_another_digest_are_refused_in_one_line
        tests/serving/runs/test_lifecycle.py::test_no_day_at_all_spares_nights_at_work_and_those_that_wait_for_a_person
        tests/dags/test_tend_tables.py::test_20_10_a_form_removes_no_version_of_the_last_day
        tests/faults/test_reach.py::test_20_a_link_does_not_lead_out_of_a_root
    """,
    "11 secrets that no pattern knows": """
        tests/pipeline/core/test_redaction.py::test_the_forms_refuse_whatever_is_masked_and_what_was
        tests/pipeline/core/test_redaction.py::test_no_password_is_left_whatever_its_signs
        tests/pipeline/core/test_redaction.py::test_secrets_in_any_part_of_a_variable_are_taken_out_however_they_are_written
        tests/faults/test_canaries.py::test_24_a_night_its_table_its_pages_and_its_logs
    """,
    "12 one flat network, alerts that a captioner silences": """
        tests/infra/test_compose_roles.py::test_networks_join_those_who_speak
        tests/infra/test_compose_roles.py::test_only_prometheus_reaches_what_silences_alerts
        tests/infra/test_compose_roles.py::test_what_needs_no_way_out_has_none
        tests/infra/test_compose_roles.py::test_settings_are_read_only_and_the_exporter_writes_nothing
        tests/infra/test_kubernetes.py::test_a_night_reaches_its_servers_and_nothing_outside
        tests/infra/test_kubernetes.py::test_a_server_is_reached_by_those_who_ask_it_in_compose_and_by_nobody_else
        tests/infra/test_monitoring.py::test_every_alert_is_bound_to_the_job_that_tells_it
        tests/serving/monitoring/test_push_runs.py::test_nobody_pushes_without_the_login
    """,
    "13 names instead of contents": """
        tests/infra/test_pin_images.py::test_a_moved_tag_is_seen_and_brought_up_to_date
        tests/infra/test_compose.py::test_a_digest_may_follow_every_version
        tests/pipeline/training/test_encoder_stage.py::test_weights_of_keras_are_known_by_their_values
        tests/pipeline/training/test_encoder_stage.py::test_20_13_weights_of_keras_can_be_pinned_by_their_values
        tests/security/test_promises.py::test_a_promise_is_held_by_tests
    """,
}


@cache
def names_in(file):
    """The names of the tests that pytest finds in a file and always runs."""
    functions = [node for node in ast.parse((CHECKOUT / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    return {each.name for each in functions if not any("skip" in ast.unparse(mark) for mark in each.decorator_list)}


@pytest.mark.parametrize("row", ROWS)
def test_a_way_in_has_tests_that_are_there(row):
    for test in ROWS[row].split():
        file, _, name = test.partition("::")
        assert name in names_in(file), test


def test_no_row_is_missing():
    assert [int(row.split()[0]) for row in ROWS] == list(range(1, 14))


if __name__ == "__main__":
    print(*" ".join(ROWS.values()).split())
