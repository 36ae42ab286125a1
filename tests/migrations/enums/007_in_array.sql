ALTER TYPE mood ADD VALUE 'array';
CREATE TABLE arrays (ms mood[] DEFAULT '{array,sad}');
