//! What every catalog must do, whatever it stores in: functions over `&dyn Catalog`, by subject.
//!
//! Another implementation runs them by its own version of `suite!`.

pub(crate) mod documents;
pub(crate) mod indexes;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod model;
pub(crate) mod scopes;

macro_rules! suite {
    ($($module:ident { $($test:ident),* $(,)? })*) => {
        mod on_sqlite {
            $(mod $module {
                $(#[tokio::test]
                async fn $test() {
                    crate::fixtures::on_sqlite(crate::conformance::$module::$test).await;
                })*
            })*
        }
    };
}

suite! {
    documents {
        a_new_document_reads_back_as_it_was_published,
        publishing_the_same_again_changes_nothing,
        metadata_of_the_same_content_is_set_without_a_version,
        tags_and_readers_that_are_not_given_stay,
        changed_content_makes_a_version_and_keeps_the_old_one,
        another_pipeline_makes_a_version_of_the_same_content,
        a_moved_document_keeps_its_id_and_its_place_is_free,
        a_move_to_a_taken_key_is_refused,
        a_batch_is_published_but_for_what_is_refused,
        deletion_is_soft_and_restoring_brings_the_same_chunks_back,
        a_deleted_key_can_be_used_again,
        publishing_restores_a_deleted_document,
        naughty_text_is_stored_as_it_is,
        what_cannot_be_read_back_is_refused_whole,
        elements_and_spans_are_those_published,
    }
    indexes {
        changes_come_in_order_and_without_gaps,
        index_documents_tell_the_chunks_that_live,
        index_chunks_leave_out_what_does_not_live,
        vectors_are_kept_once_per_space_and_input,
        unsound_vectors_are_refused,
        chunks_without_vector_are_found_after_a_restore,
        whoever_shares_a_text_hears_of_its_vector,
        known_items_are_those_below_the_prefix,
        how_documents_were_fetched_is_kept_by_source,
        a_long_list_of_ids_is_no_limit,
    }
    scopes {
        nobody_reads_past_their_scope,
        revoking_takes_effect_at_once,
        a_document_one_may_not_know_reads_like_none,
        pages_join_to_the_whole_list,
        filters_limit_the_list,
        collections_count_what_the_scope_may_read,
        hydrate_gives_only_current_versions,
        writes_pass_the_scope_too,
    }
    jobs {
        a_job_goes_from_accepted_to_done,
        the_oldest_upload_is_claimed_first_and_once,
        items_are_replaced_by_key,
        jobs_are_seen_by_their_creator_and_the_owner,
        jobs_left_over_are_recovered,
        a_returned_job_has_not_been_tried,
        a_job_with_a_repeated_key_is_refused_whole,
    }
    keys {
        a_tenant_is_made_once,
        a_key_is_stored_used_and_revoked,
        keys_of_a_tenant_are_its_own,
        usable_keys_are_told_from_the_others,
        a_request_is_answered_once,
        a_reply_is_kept_for_a_day,
        requests_of_two_scopes_do_not_meet,
    }
}
