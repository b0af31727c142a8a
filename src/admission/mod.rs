//! Admission: HTTP in, `AdmissionResponse` out.
