//! Surveys: the questions of a job template or workflow job template and the controller's verdict on the answers
//! (CONTRACT.md §3.2, MEASURED 6). All faults are reported at once, under one key.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Controller, Id};

/// The questions a launch must answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    pub name: String,
    pub description: String,
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub question_name: String,
    pub variable: String,
    pub kind: QuestionKind,
    pub required: bool,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub choices: Vec<String>,
    /// `""` means none.
    pub default: Value,
    /// As it was posted: the controller shows it so.
    posted: Value,
}

/// The type of an answer, in AWX's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    Text,
    Textarea,
    Password,
    Multiplechoice,
    Multiselect,
    Integer,
    Float,
}

impl QuestionKind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Text, "text"),
        (Self::Textarea, "textarea"),
        (Self::Password, "password"),
        (Self::Multiplechoice, "multiplechoice"),
        (Self::Multiselect, "multiselect"),
        (Self::Integer, "integer"),
        (Self::Float, "float"),
    ];

    /// AWX's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("text", |(_, name)| name)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
    }
}

impl Survey {
    /// Reads the body of `POST survey_spec/`.
    ///
    /// # Errors
    /// The first thing that is missing or unknown, as the controller words it.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, String> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = text("name").ok_or("'name' missing from survey spec.")?;
        let description = text("description").ok_or("'description' missing from survey spec.")?;
        let spec = body.get("spec").and_then(Value::as_array).ok_or("'spec' missing from survey spec.")?;
        let mut questions = Vec::with_capacity(spec.len());
        for (index, item) in spec.iter().enumerate() {
            questions.push(Question::parse(index, item)?);
        }
        Ok(Self { name, description, questions })
    }

    /// The answer of `GET survey_spec/`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let spec: Vec<&Value> = self.questions.iter().map(|question| &question.posted).collect();
        json!({"name": self.name, "description": self.description, "spec": spec})
    }

    /// Names of the required variables without a default: `variables_needed_to_start`.
    #[must_use]
    pub fn needed(&self) -> Vec<String> {
        self.questions.iter().filter(|q| q.required).map(|q| q.variable.clone()).collect()
    }

    /// Names whose answers are stored encrypted.
    #[must_use]
    pub fn passwords(&self) -> BTreeSet<String> {
        let secret = self.questions.iter().filter(|q| q.kind == QuestionKind::Password);
        secret.map(|q| q.variable.clone()).collect()
    }

    /// Every fault of the answers, in the controller's words and the survey's order.
    #[must_use]
    pub fn faults(&self, answers: &Map<String, Value>) -> Vec<String> {
        self.questions.iter().flat_map(|q| q.faults(answers.get(&q.variable))).collect()
    }

    /// The defaults of the questions that were not answered.
    #[must_use]
    pub fn defaults(&self, answers: &Map<String, Value>) -> Map<String, Value> {
        let open = self.questions.iter().filter(|q| !answers.contains_key(&q.variable) && q.has_default());
        open.map(|q| (q.variable.clone(), q.default.clone())).collect()
    }
}

impl Controller {
    /// The survey of a template of either kind: they share one sequence of ids.
    #[must_use]
    pub fn survey(&self, template: Id) -> Option<&Survey> {
        let of_job = self.rows.job_templates.get(&template).and_then(|row| row.survey.as_ref());
        of_job.or_else(|| self.rows.workflow_job_templates.get(&template).and_then(|row| row.survey.as_ref()))
    }

    /// Gives a template of either kind another survey, or none; nothing happens for an unknown one.
    pub fn set_survey(&mut self, template: Id, survey: Option<Survey>) {
        if let Some(row) = self.rows.job_templates.get_mut(&template) {
            row.survey = survey;
        } else if let Some(row) = self.rows.workflow_job_templates.get_mut(&template) {
            row.survey = survey;
        }
    }
}

impl Question {
    fn parse(index: usize, item: &Value) -> Result<Self, String> {
        let missing = |key: &str| format!("'{key}' missing from survey question {index}.");
        let text = |key: &str| item.get(key).and_then(Value::as_str).ok_or_else(|| missing(key));
        let kind_name = text("type")?;
        let kind = QuestionKind::parse(kind_name).ok_or_else(|| {
            format!("'{kind_name}' in survey question {index} is not one of the allowed question types.")
        })?;
        Ok(Self {
            question_name: text("question_name")?.to_owned(),
            variable: text("variable")?.to_owned(),
            kind,
            required: item.get("required").and_then(Value::as_bool).ok_or_else(|| missing("required"))?,
            min: item.get("min").and_then(Value::as_i64),
            max: item.get("max").and_then(Value::as_i64),
            choices: choices(item.get("choices")),
            default: item.get("default").cloned().unwrap_or_else(|| json!("")),
            posted: item.clone(),
        })
    }

    fn has_default(&self) -> bool {
        !matches!(&self.default, Value::Null) && self.default.as_str() != Some("")
    }

    fn faults(&self, answer: Option<&Value>) -> Vec<String> {
        let Some(answer) = answer else {
            let missing = self.required.then(|| format!("'{}' value missing", self.variable));
            return missing.into_iter().collect();
        };
        match self.kind {
            QuestionKind::Text | QuestionKind::Textarea | QuestionKind::Password => self.text_faults(answer),
            QuestionKind::Integer => match answer.as_i64() {
                Some(number) => self.range_faults(&plain(answer), number, None),
                None => vec![self.expected(answer, "to be an integer")],
            },
            QuestionKind::Float => match answer.as_f64() {
                Some(_) => Vec::new(),
                None => vec![self.expected(answer, "to be a numeric type")],
            },
            QuestionKind::Multiplechoice => self.choice_fault(answer).into_iter().collect(),
            QuestionKind::Multiselect => match answer.as_array() {
                Some(items) => items.iter().filter_map(|item| self.choice_fault(item)).collect(),
                None => vec![format!("'{}' value is expected to be a list.", self.variable)],
            },
        }
    }

    fn text_faults(&self, answer: &Value) -> Vec<String> {
        match answer.as_str() {
            Some(text) => {
                let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
                self.range_faults(text, length, Some(length))
            }
            None => vec![self.expected(answer, "to be a string")],
        }
    }

    fn range_faults(&self, shown: &str, measure: i64, length: Option<i64>) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(min) = self.min.filter(|min| measure < *min) {
            let how = match length {
                Some(length) => format!("length is {length} must be at least {min}"),
                None => format!("must be at least {min}"),
            };
            faults.push(format!("'{}' value {shown} is too small ({how}).", self.variable));
        }
        if let Some(max) = self.max.filter(|max| measure > *max) {
            let variable = &self.variable;
            faults.push(format!("'{variable}' value {shown} is too large (must be no more than {max})."));
        }
        faults
    }

    fn choice_fault(&self, answer: &Value) -> Option<String> {
        let known = answer.as_str().is_some_and(|text| self.choices.iter().any(|choice| choice == text));
        let listed: Vec<String> = self.choices.iter().map(|choice| format!("'{choice}'")).collect();
        (!known).then(|| self.expected(answer, &format!("to be one of [{}]", listed.join(", "))))
    }

    fn expected(&self, answer: &Value, what: &str) -> String {
        format!("Value {} for '{}' expected {what}.", plain(answer), self.variable)
    }
}

fn choices(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => text.lines().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn survey() -> Survey {
        let body = json!({"name": "", "description": "", "spec": [
            {"type": "text", "variable": "vm_name", "question_name": "n", "required": true, "min": 1, "max": 5},
            {"type": "multiplechoice", "variable": "environment", "question_name": "e", "required": true,
             "choices": "dev\ntest", "default": "dev"},
            {"type": "integer", "variable": "cpu", "question_name": "c", "required": false, "min": 1, "max": 64,
             "default": 2},
        ]});
        Survey::parse(body.as_object().unwrap()).unwrap()
    }

    fn faults(answers: &Value) -> Vec<String> {
        survey().faults(answers.as_object().unwrap())
    }

    #[test]
    fn every_fault_is_reported_in_the_words_of_the_recordings() {
        assert_eq!(faults(&json!({})), ["'vm_name' value missing", "'environment' value missing"]);
        assert_eq!(
            faults(&json!({"vm_name": "a", "environment": "mars", "cpu": "four"})),
            [
                "Value mars for 'environment' expected to be one of ['dev', 'test'].",
                "Value four for 'cpu' expected to be an integer."
            ]
        );
        assert_eq!(
            faults(&json!({"vm_name": "aaaaaa", "environment": "dev", "cpu": 65})),
            [
                "'vm_name' value aaaaaa is too large (must be no more than 5).",
                "'cpu' value 65 is too large (must be no more than 64)."
            ]
        );
    }

    #[test]
    fn defaults_fill_only_what_was_not_answered() {
        let answers = json!({"environment": "test"});
        let defaults = survey().defaults(answers.as_object().unwrap());
        assert_eq!(Value::Object(defaults), json!({"cpu": 2}));
    }

    #[test]
    fn an_unknown_question_type_is_refused() {
        let body = json!({"name": "", "description": "", "spec": [
            {"type": "colour", "variable": "v", "question_name": "q", "required": false}]});
        assert!(Survey::parse(body.as_object().unwrap()).unwrap_err().contains("colour"));
    }
}
