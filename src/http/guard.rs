//! Limits that hold for every request, whatever it asks, and what every answer carries.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::problem::{Kind, Problem};
use super::state::{AppState, Limits};

/// Refuses what is too large before anybody looks at it, and counts every answer.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let state = request.app_data::<Data<AppState>>().cloned();
    let Some(state) = state else { return Err(Problem::internal(&"the state is not set").into()) };
    let mut answer = match too_large(&request, &state.limits) {
        Some(problem) => request.error_response(problem).map_into_right_body(),
        None => match next.call(request).await {
            Ok(answer) => answer.map_into_left_body(),
            Err(error) => return Err(error),
        },
    };
    count(&state, &answer);
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn too_large(request: &ServiceRequest, limits: &Limits) -> Option<Problem> {
    if request.query_string().len() > limits.query_bytes_max {
        let detail = format!("At most {} bytes of query are read.", limits.query_bytes_max);
        return Some(Problem::new(Kind::QueryTooLong, detail));
    }
    let (mut count, mut bytes) = (0, 0);
    for (name, value) in request.headers() {
        count += 1;
        bytes += name.as_str().len() + value.len();
    }
    if count > limits.header_count_max || bytes > limits.header_bytes_max {
        let (count_max, bytes_max) = (limits.header_count_max, limits.header_bytes_max);
        let detail = format!("At most {count_max} headers of together {bytes_max} bytes are read.");
        return Some(Problem::new(Kind::HeadersTooLarge, detail));
    }
    None
}

fn count<B>(state: &AppState, answer: &ServiceResponse<B>) {
    let status = match answer.status().as_u16() {
        200 => "200",
        201 => "201",
        202 => "202",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    };
    state.counters.answers.add(answer.request().match_name().unwrap_or("(none)"), status);
}
